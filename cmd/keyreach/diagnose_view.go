package main

import (
	"cmp"

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

func viewOfIncident(in *diagnose.Incident) incidentView {
	v := incidentView{
		Line: in.Line, Column: in.Column, Text: in.Text, Form: in.Form, Code: in.Code, Service: in.Service, Operation: in.Operation,
		Principal: in.Principal, PrincipalKind: cmp.Or(in.PrincipalKind, diagnose.Unknown), Account: in.Account, Action: in.Action,
		Key: in.Key, KeyAccount: in.KeyAccount, Region: in.Region, Layer: in.Layer, Explicit: in.Explicit, PolicyARN: in.PolicyARN,
		RequestID: in.RequestID, Via: in.Via, Context: in.Context, Encoded: in.Encoded,
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
