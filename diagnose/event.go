package diagnose

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// maxEvent is how long one event may be, in bytes. CloudTrail's are at most
// 256 KiB (docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html).
const maxEvent = 512 << 10

// listMembers are the members under which answers of AWS hold lists of events
// or of things with a state.
var listMembers = []string{
	"Records", "Events", "events", "items", "Items", "Activities", "activities", "Snapshots", "Volumes", "Instances", "Reservations",
	"CopyJobs", "BackupJobs", "RestoreJobs", "Entries", "logEvents", "results",
}

// json reads the JSON value that begins on the line at hand, if one does, and
// moves behind it.
func (s *splitter) json() bool {
	rest := s.data[s.at:]
	lead := len(rest) - len(bytes.TrimLeft(rest, " \t"))
	if lead == len(rest) || rest[lead] != '{' && rest[lead] != '[' || s.budget <= 0 {
		return false
	}
	length, ok := valueEnd(rest[lead:])
	raw := rest[lead : lead+length]
	if !ok || bytes.Equal(raw, []byte("[]")) || bytes.Equal(raw, []byte("{}")) || !objects(raw) || !json.Valid(raw) {
		s.budget -= length
		return false
	}
	s.close()
	place := Incident{Line: s.number + 1, Column: lead + 1}
	s.value(raw, place, 0)
	end := lead + length
	s.number += bytes.Count(rest[:end], []byte("\n"))
	s.at += end
	if bytes.HasPrefix(s.data[s.at:], []byte("\n")) {
		s.at++
		s.number++
	}
	return true
}

// objects reports whether the value is an object, or a list of them: not the
// "[1234]" with which lines of logs begin.
func objects(raw []byte) bool {
	return raw[0] == '{' || bytes.HasPrefix(bytes.TrimLeft(raw[1:], " \t\r\n"), []byte("{"))
}

// events reads a text that is JSON from its beginning.
func (s *splitter) events() bool {
	trimmed := bytes.TrimLeft(s.data, " \t\r\n")
	s.number = bytes.Count(s.data[:len(s.data)-len(trimmed)], []byte("\n"))
	s.at = len(s.data) - len(trimmed)
	return len(trimmed) > 0 && s.json()
}

// value reads an event, or the events of a list.
func (s *splitter) value(raw []byte, place Incident, depth int) {
	if depth > 8 || s.full {
		return
	}
	if raw[0] == '[' {
		s.list(raw, place, depth)
		return
	}
	lists := false
	members(raw, func(name string, member []byte) {
		if slices.Contains(listMembers, name) && len(member) > 2 && member[0] == '[' && objects(member) {
			lists = true
			s.list(member, place, depth)
		}
	})
	if !lists && len(raw) <= maxEvent {
		s.one(raw, place, depth)
	}
}

func (s *splitter) list(raw []byte, place Incident, depth int) {
	from := place.Line
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, _ = dec.Token() // the bracket
	for dec.More() && !s.full {
		before := int(dec.InputOffset())
		var element json.RawMessage
		if dec.Decode(&element) != nil {
			return
		}
		place.Line += bytes.Count(raw[before:int(dec.InputOffset())-len(element)], []byte("\n"))
		if place.Line != from {
			place.Column = 1
		}
		if len(element) > 0 && (element[0] == '{' || element[0] == '[') {
			s.value(element, place, depth+1)
		}
		place.Line += bytes.Count(element, []byte("\n"))
	}
}

// one reads one object: an event of CloudTrail, by itself or in an envelope,
// or anything else that has a message in it.
func (s *splitter) one(raw []byte, place Incident, depth int) {
	var envelope struct {
		CloudTrailEvent string          `json:"CloudTrailEvent"`
		DetailType      string          `json:"detail-type"`
		Detail          json.RawMessage `json:"detail"`
		EventName       string          `json:"eventName"`
		EventSource     string          `json:"eventSource"`
		Region          string          `json:"region"`
	}
	_ = json.Unmarshal(raw, &envelope) // members of another type stay empty
	switch {
	case strings.HasPrefix(strings.TrimSpace(envelope.CloudTrailEvent), "{") && json.Valid([]byte(envelope.CloudTrailEvent)):
		s.value([]byte(strings.TrimSpace(envelope.CloudTrailEvent)), place, depth+1)
		return
	case strings.HasSuffix(envelope.DetailType, "via CloudTrail") && len(envelope.Detail) > 0 && envelope.Detail[0] == '{':
		s.value(envelope.Detail, place, depth+1)
		return
	}
	in, text := place, ""
	if envelope.EventName != "" && envelope.EventSource != "" {
		if text = in.trail(raw); text == "" {
			return
		}
	} else {
		text = flatten(raw)
		in.Region = envelope.Region
	}
	if in, ok := analyseLong(in, mask(plain(text))); ok {
		s.event = true
		s.add(in)
	}
}

// trail is what a CloudTrail event tells of a failure.
// See docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html.
type trail struct {
	EventSource, EventName, AWSRegion, ErrorCode, ErrorMessage, RequestID string

	UserIdentity struct {
		Type, ARN, AccountID, InvokedBy string
	}
	RequestParameters struct {
		KeyID             string
		EncryptionContext map[string]string
	}
	Resources []struct {
		ARN, AccountID string
	}
}

// trail fills the incident from a CloudTrail event, and gives its words; none
// when the event is of a call that succeeded.
func (in *Incident) trail(raw []byte) string {
	var t trail
	_ = json.Unmarshal(raw, &t) // members of another type stay empty
	if t.ErrorCode == "" && t.ErrorMessage == "" {
		return ""
	}
	in.Code, in.Operation, in.RequestID = t.ErrorCode, t.EventName, t.RequestID
	in.Service, _, _ = strings.Cut(t.EventSource, ".")
	in.Region, in.Via = t.AWSRegion, t.UserIdentity.InvokedBy
	in.Account, in.Principal = t.UserIdentity.AccountID, t.UserIdentity.ARN
	if in.Principal == "" && t.UserIdentity.Type == "AWSService" {
		in.Principal = t.UserIdentity.InvokedBy
	}
	in.Context = t.RequestParameters.EncryptionContext
	in.Key = t.RequestParameters.KeyID
	for _, r := range t.Resources {
		if strings.Contains(r.ARN, ":key/") {
			in.Key, in.KeyAccount = r.ARN, r.AccountID
		}
	}
	if in.Service == "kms" && t.EventName != "" {
		in.Action = "kms:" + t.EventName
	}
	parts := []string{t.ErrorCode + ":", t.ErrorMessage, "(eventSource: " + t.EventSource + ", eventName: " + t.EventName}
	if in.Via != "" {
		parts = append(parts, ", invokedBy: "+in.Via)
	}
	return unwrap([]string{strings.Join(parts, " ") + ")"})
}

// flatten gives the words of a JSON value: names and what they hold.
func flatten(raw []byte) string {
	var b strings.Builder
	dec := json.NewDecoder(strings.NewReader(mask(string(raw)))) // names stand before their values here, and not after
	dec.UseNumber()
	for b.Len() < maxLine {
		t, err := dec.Token()
		if err != nil {
			break
		}
		switch v := t.(type) {
		case string:
			if inner := strings.TrimSpace(v); strings.HasPrefix(inner, "{") && json.Valid([]byte(inner)) && len(inner) < len(raw) {
				v = flatten([]byte(inner))
			}
			b.WriteString(v + " ")
		case json.Number:
			b.WriteString(v.String() + " ")
		case bool:
			b.WriteString(strconv.FormatBool(v) + " ")
		}
	}
	return unwrap([]string{b.String()})
}
