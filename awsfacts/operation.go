package awsfacts

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Identifier is a set of the ways in which a request may name a key or a grant; see
// docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id. A key of
// another account can be named by an ARN only.
type Identifier uint8

// The members of an [Identifier] set.
const (
	KeyID Identifier = 1 << iota
	KeyARN
	AliasName
	AliasARN
	GrantToken
)

// identifierNames are the members in the order of their bits, as the data names them.
func identifierNames() []string {
	return []string{"key-id", "key-arn", "alias-name", "alias-arn", "grant-token"}
}

// Has reports whether the set holds all members of other.
func (i Identifier) Has(other Identifier) bool { return i&other == other }

// String lists the members, as "key-id key-arn".
func (i Identifier) String() string {
	var names []string
	for bit, name := range identifierNames() {
		if i.Has(1 << bit) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// Operation is one operation of the KMS API. What it can do across accounts and
// with which identifiers is stated on its page at
// docs.aws.amazon.com/kms/latest/APIReference/ and in the table at
// docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html.
type Operation struct {
	// Name is the operation without prefix, as "ReEncrypt".
	Name string
	// CrossAccount operations can work on a key of another account. Granting any
	// other to an external principal is accepted and has no effect.
	CrossAccount bool
	// KeyBound operations are authorized on a key, so a key policy has a say.
	KeyBound bool
	// DryRun operations have the DryRun parameter, which tests authorization
	// without doing anything.
	DryRun bool
	// DryRunModifiers operations can be dry-run without a valid ciphertext.
	DryRunModifiers bool
	// GrantOperation is set if a grant can allow it; of ReEncrypt a grant allows
	// each half by its own name. See [GrantOperations].
	GrantOperation bool
	// GrantTokens operations accept grant tokens, with which a new grant works at
	// once.
	GrantTokens bool
	// EncryptionContext operations carry an encryption context (with a symmetric
	// key); CreateGrant carries the one of the grant's constraint.
	EncryptionContext bool
	// Identifiers says how the request may name its key; empty if it names none.
	Identifiers Identifier
	// Actions are the IAM actions the operation needs, as "kms:Decrypt".
	Actions []string
	// Note says what the fields cannot; it may be empty.
	Note string
	// Source is the AWS page.
	Source string

	states *stateRules
}

type operationRow struct {
	CrossAccount      bool     `json:"cross_account"`
	KeyBound          bool     `json:"key_bound"`
	Identifiers       []string `json:"identifiers"`
	DryRun            bool     `json:"dry_run"`
	DryRunModifiers   bool     `json:"dry_run_modifiers"`
	GrantOperation    bool     `json:"grant_operation"`
	GrantTokens       bool     `json:"takes_grant_tokens"`
	EncryptionContext bool     `json:"encryption_context"`
	Actions           []string `json:"actions"`
	Note              string   `json:"note"`
	Source            string   `json:"source"`
}

type operationFile struct {
	Source  string                  `json:"source"`
	Checked string                  `json:"checked_against"`
	Rows    map[string]operationRow `json:"operations"`
}

type operationTable struct {
	index[*Operation]
	names  []string
	grants []string
}

var operations = sync.OnceValue(func() operationTable {
	table := operationTable{index: newIndex[*Operation]()}
	rows := load[operationFile]("operations.json").Rows
	states := loadStates()
	table.names = slices.Sorted(maps.Keys(rows))
	for _, name := range table.names {
		op := rows[name].operation(name)
		op.states = states[name]
		table.add(name, op)
		table.add(kmsPrefix+name, op)
		for _, action := range op.Actions {
			half := strings.TrimPrefix(action, kmsPrefix)
			table.add(half, op)
			table.add(action, op)
			if op.GrantOperation {
				table.grants = append(table.grants, half)
			}
		}
	}
	slices.Sort(table.grants)
	return table
})

// kmsPrefix is the service prefix of KMS actions.
const kmsPrefix = "kms:"

func (r operationRow) operation(name string) *Operation {
	op := &Operation{
		Name: name, CrossAccount: r.CrossAccount, KeyBound: r.KeyBound,
		DryRun: r.DryRun, DryRunModifiers: r.DryRunModifiers,
		GrantOperation: r.GrantOperation, GrantTokens: r.GrantTokens, EncryptionContext: r.EncryptionContext,
		Actions: r.Actions, Note: r.Note, Source: r.Source,
	}
	if op.Actions == nil {
		op.Actions = []string{kmsPrefix + name}
	}
	for _, text := range r.Identifiers {
		bit := slices.Index(identifierNames(), text)
		if bit < 0 {
			panic("awsfacts: " + name + ": unknown identifier " + text)
		}
		op.Identifiers |= 1 << bit
	}
	return op
}

// KMSOperation finds the operation that an IAM action belongs to
// ("kms:ReEncryptFrom" is one half of ReEncrypt), or the operation of that name,
// with or without the prefix, in any letter case. Finding one does not make the name
// an IAM action: for that ask [KMSAction].
//
// The operation returned is shared: it must not be changed.
func KMSOperation(action string) (*Operation, bool) {
	return operations().find(action)
}

// KMSOperations returns the operations sorted by name; they are shared and must not
// be changed.
func KMSOperations() []*Operation {
	table := operations()
	list := make([]*Operation, 0, len(table.names))
	for _, name := range table.names {
		list = append(list, table.exact[name])
	}
	return list
}

// GrantOperations returns a copy of the operation names a grant may hold, sorted;
// see docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html.
func GrantOperations() []string {
	return slices.Clone(operations().grants)
}
