package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/diagnose"
	"github.com/keyreach/keyreach/estate"
)

// diagnosisView is the JSON form of an answer.
type diagnosisView struct {
	FormatVersion int            `json:"format_version"`
	Incidents     []incidentView `json:"incidents"`
}

type incidentView struct {
	Line          int               `json:"line"`
	Column        int               `json:"column"`
	Text          string            `json:"text"`
	Form          string            `json:"form"`
	Code          string            `json:"code,omitempty"`
	Service       string            `json:"service,omitempty"`
	Operation     string            `json:"operation,omitempty"`
	Principal     string            `json:"principal,omitempty"`
	PrincipalKind diagnose.Kind     `json:"principal_kind"`
	Account       string            `json:"account,omitempty"`
	Action        string            `json:"action,omitempty"`
	Key           string            `json:"key,omitempty"`
	KeyAccount    string            `json:"key_account,omitempty"`
	Region        string            `json:"region,omitempty"`
	Layer         access.Layer      `json:"layer,omitempty"`
	Explicit      bool              `json:"explicit,omitempty"`
	PolicyARN     string            `json:"policy_arn,omitempty"`
	RequestID     string            `json:"request_id,omitempty"`
	Via           string            `json:"via,omitempty"`
	Context       map[string]string `json:"encryption_context,omitempty"`
	Encoded       string            `json:"encoded_message,omitempty"`
	Causes        []causeView       `json:"causes"`
}

type causeView struct {
	Code          string           `json:"code"`
	About         string           `json:"about"`
	Confidence    float64          `json:"confidence"`
	MissingAction *string          `json:"missing_action"`
	PrincipalKind diagnose.Kind    `json:"principal_kind"`
	Evidence      []string         `json:"evidence"`
	Settles       []settleView     `json:"settles"`
	Fix           string           `json:"fix"`
	Verdict       diagnose.Verdict `json:"verdict,omitempty"`
	Why           []string         `json:"why,omitempty"`
}

type settleView struct {
	Fact    string `json:"fact"`
	Command string `json:"command"`
}

func viewOfDiagnosis(found []diagnose.Incident) diagnosisView {
	v := diagnosisView{FormatVersion: estate.FormatVersion, Incidents: []incidentView{}}
	for i := range found {
		v.Incidents = append(v.Incidents, viewOfIncident(&found[i]))
	}
	return v
}

// writeIncidents writes the view of a diagnosis one incident after the other:
// thousands of them, all at once, take much more memory than they are long.
func writeIncidents(w io.Writer, f format, found []diagnose.Incident) error {
	if len(found) == 0 {
		return f.writeData(w, viewOfDiagnosis(nil))
	}
	out := bufio.NewWriter(w)
	open, between, end := "{\n  \"format_version\": %d,\n  \"incidents\": [\n", ",\n", "\n  ]\n}\n"
	if f == yamlFormat {
		open, between, end = "format_version: %d\nincidents:\n", "", ""
	}
	fmt.Fprintf(out, open, estate.FormatVersion)
	for i := range found {
		if i > 0 {
			out.WriteString(between)
		}
		if err := writeIncident(out, f, &found[i]); err != nil {
			return err
		}
	}
	out.WriteString(end)
	return out.Flush()
}

// writeIncident writes one element of the list, at its indentation.
func writeIncident(w io.Writer, f format, in *diagnose.Incident) error {
	if f == yamlFormat {
		var b bytes.Buffer
		if err := f.writeData(&b, map[string][]incidentView{"incidents": {viewOfIncident(in)}}); err != nil {
			return err
		}
		_, err := w.Write(bytes.TrimPrefix(b.Bytes(), []byte("incidents:\n")))
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("    ", "  ")
	if err := enc.Encode(viewOfIncident(in)); err != nil {
		return fmt.Errorf("writing %s: %w", f, err)
	}
	_, err := fmt.Fprintf(w, "    %s", bytes.TrimSpace(b.Bytes()))
	return err
}

func viewOfIncident(in *diagnose.Incident) incidentView {
	v := incidentView{
		Line: in.Line, Column: in.Column, Text: in.Text, Form: in.Form, Code: in.Code, Service: in.Service, Operation: in.Operation,
		Principal: in.Principal, PrincipalKind: cmp.Or(in.PrincipalKind, diagnose.Unknown), Account: in.Account, Action: in.Action,
		Key: in.Key, KeyAccount: in.KeyAccount, Region: in.Region, Layer: in.Layer, Explicit: in.Explicit, PolicyARN: in.PolicyARN,
		RequestID: in.RequestID, Via: in.Via, Context: in.Context, Encoded: in.Encoded, Causes: []causeView{},
	}
	for i := range in.Causes {
		c := &in.Causes[i]
		about, _ := diagnose.CodeText(c.Code)
		cv := causeView{
			Code: c.Code, About: about, Confidence: c.Confidence, MissingAction: named(c.MissingAction), PrincipalKind: c.PrincipalKind,
			Evidence: orEmpty(c.Evidence), Settles: []settleView{}, Fix: c.Fix, Verdict: c.Verdict, Why: c.Why,
		}
		for _, q := range c.Settles {
			cv.Settles = append(cv.Settles, settleView{q.Fact, q.Command})
		}
		v.Causes = append(v.Causes, cv)
	}
	return v
}

// named is a name, or nil where there is none.
func named(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
