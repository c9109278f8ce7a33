// Package usage is the table of key uses: which KMS actions an AWS operation
// makes, on which key, seen by KMS as whose call, and through which service.
// Prover, sandbox and diagnosis all read this one table.
//
// It does not know accounts or policies. A row becomes a question by Request,
// which fills in who acts and which keys are meant.
package usage

import (
	_ "embed"
	"fmt"
	"slices"
	"sync"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

// Need says whether AWS refuses without the use.
type Need string

// A required use blocks when it is missing; an asked one, which AWS's
// documentation asks for although AWS was recorded to work without, or which
// nobody has recorded either way, only makes the step fragile.
const (
	Required Need = "required"
	Asked    Need = "asked"
)

// Confidence says how sure a row is.
type Confidence string

// A row was recorded from AWS, stands on an AWS page, or was inferred.
const (
	Recorded   Confidence = "recorded"
	Documented Confidence = "documented"
	Inferred   Confidence = "inferred"
)

// Use is one row: one KMS action that KMS sees when the operation runs.
type Use struct {
	// Operation is the AWS operation, "ec2:CreateVolume".
	Operation string `json:"operation"`
	// Scenario tells apart the circumstances in which one operation uses keys
	// differently.
	Scenario string `json:"scenario,omitempty"`
	// About says in a few words what the use is for.
	About string `json:"about"`
	// Action is the KMS action, "kms:ReEncryptFrom".
	Action string `json:"action"`
	// Statement is the action pattern that a policy should carry, where that is
	// not Action itself: "kms:ReEncrypt*".
	Statement string `json:"statement,omitempty"`
	// Key is the part that the key plays in the operation: snapshot, volume.
	Key string `json:"key"`
	// Via is the short name of the service that forwards the call; empty when
	// the caller calls KMS itself.
	Via string `json:"via,omitempty"`
	// Context is the encryption context; "?" for a value nobody can know before.
	Context map[string]string `json:"context,omitempty"`
	// Grants is the operations that the grant made by a CreateGrant allows.
	Grants     []string   `json:"grants,omitempty"`
	Need       Need       `json:"need"`
	Confidence Confidence `json:"confidence"`
	// From says what an inferred row, or a part of one, was inferred from.
	From string `json:"from,omitempty"`
	// Source is the AWS page.
	Source  string  `json:"source"`
	Failure Failure `json:"failure"`
}

// Failure says how it shows that the use was refused.
type Failure struct {
	// Shows is error (at the call), state (later, on the resource) or silence.
	Shows string `json:"shows"`
	Code  string `json:"code,omitempty"`
	Text  string `json:"text,omitempty"`
}

// Asks returns the action pattern that a policy should carry for the use.
func (u *Use) Asks() string {
	if u.Statement != "" {
		return u.Statement
	}
	return u.Action
}

//go:embed usage.yaml
var tableText []byte

type table struct {
	FormatVersion int   `json:"format_version"`
	Uses          []Use `json:"uses"`

	by map[[2]string][]Use // operation, scenario
}

// load reads the embedded table once. A test validates it, so reading cannot
// fail in a build that passed.
var load = sync.OnceValue(func() *table {
	var t table
	n, _, err := source.Parse(tableText)
	if err == nil {
		err = source.Decode(n, &t)
	}
	if err != nil {
		panic(fmt.Sprintf("usage: reading the embedded table: %v", err))
	}
	t.by = map[[2]string][]Use{}
	for _, u := range t.Uses {
		at := [2]string{u.Operation, u.Scenario}
		t.by[at] = append(t.by[at], u)
	}
	return &t
})

// All returns every row, in the order of the table.
func All() []Use { return slices.Clone(load().Uses) }

// Of returns the rows of an operation in a scenario.
func Of(operation, scenario string) []Use {
	return slices.Clone(load().by[[2]string{operation, scenario}])
}

// grantForResource is the condition key that a service sets when it makes a
// grant for one of its resources.
const grantForResource = "kms:GrantIsForAWSResource"

// Request asks whether the caller may make this use of the key. The service
// named by Via calls KMS in the key's own Region, so the value of
// kms:ViaService carries the key's Region.
func (u *Use) Request(caller, keyARN string) (estate.Request, error) {
	key, err := arn.Parse(keyARN)
	if err != nil {
		return estate.Request{}, fmt.Errorf("asking for %s: %w", u.Action, err)
	}
	r, err := estate.NewRequest(caller, u.Action, keyARN)
	if err != nil {
		return r, fmt.Errorf("asking for %s: %w", u.Action, err)
	}
	if u.Via != "" {
		r.Context.Set("kms:ViaService", policy.One(ViaService(u.Via, key.Region)))
		if u.Action == "kms:CreateGrant" {
			r.Context.Set(grantForResource, policy.One("true"))
		}
	}
	if len(u.Grants) > 0 {
		r.Context.Set("kms:GrantOperations", policy.Many(u.Grants...))
	}
	for name, value := range u.Context {
		v := policy.One(value)
		if value == "?" {
			v = policy.NotGiven()
		}
		r.Context.Set("kms:EncryptionContext:"+name, v)
	}
	return r, nil
}

// ViaService returns the value of kms:ViaService for a service, given by its
// short name, that calls KMS in a Region. The suffix is the same in every
// partition.
// See https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service.
func ViaService(service, region string) string { return service + "." + region + ".amazonaws.com" }
