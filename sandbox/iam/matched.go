package iam

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/keyreach/keyreach/access"
)

// matched are the statements that a simulated decision rests on: those that allow
// or those that deny, and none for an implicit denial. Control policies and
// boundaries are not told of.
// See https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html.
func (s *Service) matched(q *simulation, d *access.Decision) []types.Statement {
	effect := "Allow"
	switch d.Effect {
	case access.Allow:
	case access.ExplicitDeny:
		effect = "Deny"
	default:
		effect = ""
	}
	list := []types.Statement{}
	for _, e := range d.Evidence {
		told := e.Layer == access.Identity || e.Layer == access.KeyPolicy || e.Layer == access.ResourcePolicy
		if e.Effect != effect || e.Applies != "true" || !told || e.Document == assumedKeyPolicy {
			continue
		}
		m := types.Statement{SourcePolicyId: new(q.sourceID(e.Document)), SourcePolicyType: identitySource}
		if e.Document == resourcePolicy {
			m.SourcePolicyType = resourceSource
		}
		m.StartPosition, m.EndPosition = around(s.textOf(q, e.Document), e.Position.Line, e.Position.Column)
		list = append(list, m)
	}
	return list
}

// The kinds of policies as AWS answers them, which are none of its model's.
// See https://timkins666.github.io/blog/2025/04/03/automated-iam-policy-simulator-testing.html.
const (
	identitySource types.PolicySourceType = "IAM Policy"
	resourceSource types.PolicySourceType = "Resource Policy"
)

// sourceID is the name under which the simulator shows a policy: of a managed one its
// name, of an inline one who has it and its name, "ResourcePolicy" for that of the
// resource. Users report it of users and roles; that groups are named alike is assumed.
// See https://github.com/hashicorp/terraform-provider-aws, whose acceptance test of
// iam_principal_policy_simulation runs on AWS, and the transcript with resourceSource.
func (q *simulation) sourceID(document string) string {
	if document == resourcePolicy {
		return "ResourcePolicy"
	}
	owner := q.owning()
	if group, own, ok := strings.Cut(document, ": "); ok {
		owner, document = "group_"+strings.TrimPrefix(group, "group "), own
	}
	if a, ok := strings.CutPrefix(document, "managed policy "); ok {
		return a[strings.LastIndexByte(a, '/')+1:]
	}
	if own, ok := strings.CutPrefix(document, "inline policy "); ok {
		return owner + "_" + own
	}
	return document
}

// owning is the user or role that is simulated, as it stands before the names of its
// inline policies.
func (q *simulation) owning() string {
	if q.entity == nil {
		return ""
	}
	kind := "user"
	if strings.Contains(q.entity.full, ":role/") {
		kind = "role"
	}
	return kind + "_" + q.entity.Name
}

// textOf is the text of a policy by the name that it has in the case.
func (s *Service) textOf(q *simulation, name string) string {
	if n, ok := strings.CutPrefix(name, inputPolicy); ok {
		if i, err := strconv.Atoi(n); err == nil && i <= len(q.inputs) {
			return q.inputs[i-1]
		}
	}
	if name == resourcePolicy {
		return aws.ToString(q.resource)
	}
	e := q.entity
	if g, own, ok := strings.Cut(name, ": "); ok {
		name = own
		if group := s.groups.Get(row(q.account, strings.TrimPrefix(g, "group "))); group != nil {
			e = &group.Entity
		}
	}
	if a, ok := strings.CutPrefix(name, "managed policy "); ok {
		if p := s.policy(a); p != nil && p.current() != nil {
			return p.current().Document
		}
	}
	if own, ok := strings.CutPrefix(name, "inline policy "); ok && e != nil {
		if p, err := (holder{Entity: e}).inline(own); err == nil {
			return p.Document
		}
	}
	return ""
}

// span is where a statement stands in its policy, in bytes.
type span struct{ from, to int }

// spans are the places of a policy's statements as the simulator tells them: AWS's
// examples give the place behind the bracket before a statement, or behind its own
// brace when it stands alone, and the place behind its end. That the second begins
// where the first ends is assumed.
// See https://docs.aws.amazon.com/cli/latest/reference/iam/simulate-custom-policy.html
// and https://docs.aws.amazon.com/cli/latest/reference/iam/simulate-principal-policy.html.
func spans(document string) []span {
	var members struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(document), &members) != nil {
		return nil
	}
	// The statements are one piece of the document, which no string in it can hold.
	at := strings.Index(document, string(members.Statement))
	if !strings.HasPrefix(string(members.Statement), "[") {
		return []span{{at + 1, at + len(members.Statement)}}
	}
	var list []span
	from := at + 1
	dec := json.NewDecoder(strings.NewReader(document[at:]))
	for _, err := dec.Token(); err == nil && dec.More(); {
		var statement json.RawMessage
		if err = dec.Decode(&statement); err == nil {
			to := at + int(dec.InputOffset())
			list = append(list, span{from, to})
			from = to
		}
	}
	return list
}

// around is the place of the statement whose brace is at a line and column.
func around(document string, line, column int) (start, end *types.Position) {
	at := 0
	for range line - 1 {
		at += strings.IndexByte(document[at:], '\n') + 1
	}
	at += column - 1
	for _, s := range spans(document) {
		if at < s.to {
			return place(document, s.from), place(document, s.to)
		}
	}
	return nil, nil
}

func place(document string, at int) *types.Position {
	line, column := 1+strings.Count(document[:at], "\n"), at-strings.LastIndexByte(document[:at], '\n')
	return &types.Position{Line: int32(line), Column: int32(column)}
}
