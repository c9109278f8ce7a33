package awsfacts

import (
	"bytes"
	"encoding/json"
	"sync"
)

// LimitTable holds the quotas and sizes of KMS that bear on plans, from
// docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html,
// docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html and the API
// reference; [LimitSource] gives the page of each. Rates are for one account and
// Region and are charged to the account of the caller.
type LimitTable struct {
	// KeyPolicyBytes is the size a key policy may have. KeyPolicyRequestBytes is the
	// larger size that the API model lets a client send, to be refused by KMS.
	KeyPolicyBytes, KeyPolicyRequestBytes int
	// GrantsPerKey, AliasesPerKey and TagsPerKey are quotas of one key, KeysPerRegion
	// is one of the account.
	GrantsPerKey, AliasesPerKey, TagsPerKey, KeysPerRegion int
	// DeletionWait…Days bound the time between ScheduleKeyDeletion and the end of
	// the key.
	DeletionWaitMinDays, DeletionWaitMaxDays, DeletionWaitDefaultDays int
	// RotationPeriod…Days bound the period of automatic rotation.
	RotationPeriodMinDays, RotationPeriodMaxDays, RotationPeriodDefaultDays int
	// PlaintextBytes is what Encrypt takes, CiphertextBytes what Decrypt takes,
	// DataKeyBytes what GenerateDataKey gives at most.
	PlaintextBytes, CiphertextBytes, DataKeyBytes int
	// GrantTokensPerRequest and GrantNameChars bound requests; GrantConstraintPairs
	// and GrantConstraintValueChars bound a grant's encryption context.
	GrantTokensPerRequest, GrantNameChars, GrantConstraintPairs, GrantConstraintValueChars int
	// AliasNameChars includes the "alias/".
	AliasNameChars, DescriptionChars int
	// PropagationMinutes is the usual longest time until a new grant or a changed
	// alias is seen everywhere.
	PropagationMinutes int
	// The rates at which KMS starts to throttle.
	CreateGrantPerSecond, RevokeGrantPerSecond, RetireGrantPerSecond, ListGrantsPerSecond int
	PutKeyPolicyPerSecond, GetKeyPolicyPerSecond, DescribeKeyPerSecond                    int
	CreateKeyPerSecond, CreateAliasPerSecond, EnableKeyPerSecond                          int
	// SymmetricCryptoPerSecond is the lowest rate of any Region; one pool for all
	// operations with symmetric keys.
	SymmetricCryptoPerSecond int
	// Source are the pages the table restates, Date is when they were read.
	Source, Date string
}

type limitFile struct {
	Source string `json:"source"`
	Date   string `json:"date"`
	Limits map[string]struct {
		Value  int    `json:"value"`
		Source string `json:"source"`
		Note   string `json:"note"`
	} `json:"limits"`
}

var (
	limitRows = sync.OnceValue(func() limitFile { return load[limitFile]("limits.json") })

	limitTable = sync.OnceValue(func() LimitTable {
		rows := limitRows()
		fields := map[string]any{"Source": rows.Source, "Date": rows.Date}
		for name, row := range rows.Limits {
			fields[name] = row.Value
		}
		text, err := json.Marshal(fields)
		if err != nil {
			panic("awsfacts: limits: " + err.Error())
		}
		var table LimitTable
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&table); err != nil {
			panic("awsfacts: limits: " + err.Error())
		}
		return table
	})
)

// Limits returns the quotas and sizes of KMS.
func Limits() LimitTable { return limitTable() }

// LimitSource returns the AWS page of one field of [LimitTable], by the field's name.
func LimitSource(field string) (string, bool) {
	row, ok := limitRows().Limits[field]
	return row.Source, ok
}
