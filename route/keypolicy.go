package route

import (
	"fmt"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/policy"
)

// unruled reports a key policy that leaves the key without its account, or
// without anybody who may change the policy. AWS refuses most such policies when
// they are written, so what the estate holds may be a fragment: these are
// warnings.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html.
func unruled(k *estate.Key, key arn.ARN) []finding.Finding {
	if k.Manager == "AWS" {
		return nil
	}
	account, admin := false, false
	for i := range k.Policy.Source.Statements {
		s := &k.Policy.Source.Statements[i]
		if s.Effect == nil || s.Effect.Text != "Allow" {
			continue
		}
		account = account || admitsAccount(s, key.Account)
		admin = admin || s.NotAction != nil || s.Action != nil && covers(s.Action.Values, "kms:PutKeyPolicy")
	}
	var fs []finding.Finding
	at := k.Policy.Source.Position(k.Policy.Source.Pos)
	if !admin {
		fs = append(fs, finding.Finding{
			Rule: "KEY004", Severity: finding.Warning, Subject: k.ARN, Position: at,
			Text: "nobody may change this key policy: no statement allows kms:PutKeyPolicy; AWS refuses to take such a policy unless told to bypass the check",
			Fix:  "allow it to account " + key.Account + ", or to two roles that will still be there",
		})
	}
	if !account {
		fs = append(fs, finding.Finding{
			Rule: "KEY005", Severity: finding.Warning, Subject: k.ARN, Position: at,
			Text: "the key policy has no statement for account " + key.Account + " itself, so no IAM policy of that account counts on this key",
			Fix:  "allow kms:* to arn:" + key.Partition + ":iam::" + key.Account + ":root, or name two durable administrators",
		})
	}
	return fs
}

// outsideAWS reports a key whose material is kept elsewhere: what the policies
// allow still needs that store to answer, which no policy tells.
// See https://docs.aws.amazon.com/kms/latest/developerguide/key-store-overview.html.
func outsideAWS(k *estate.Key) []finding.Finding {
	var store string
	switch k.Origin {
	case "EXTERNAL_KEY_STORE":
		store = "an external key store"
	case "AWS_CLOUDHSM":
		store = "a CloudHSM key store"
	default:
		return nil
	}
	return []finding.Finding{{
		Rule: "KEY022", Severity: finding.Info, Subject: k.ARN,
		Text: "the key is in " + store + ": what is proven is that its use is authorized, not that the store answers on the day",
		Fix:  "rehearse with the store as it will be on the day, or keep a second copy under a key of AWS KMS",
	}}
}

func covers(vs []policy.Value, action string) bool {
	for _, v := range vs {
		for _, a := range awsfacts.ActionsMatching(v.Text) {
			if a == action {
				return true
			}
		}
	}
	return false
}

// admitsAccount reports whether a statement names the account as a whole.
func admitsAccount(s *policy.Statement, account string) bool {
	if s.Principal == nil {
		return false
	}
	for _, g := range s.Principal.Groups {
		for _, v := range g.Names.Values {
			if p, err := arn.ParsePrincipal(v.Text); err == nil && p.Kind == arn.AccountRoot && p.Account == account {
				return true
			}
		}
	}
	return false
}

// unlikeReplicas reports multi-Region keys of the route whose policies differ
// by more than the name of the Region: each Region has its own key policy, and
// what opens in one does not open in the other.
// See https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-auth.html.
func unlikeReplicas(keys []arn.ARN, e *estate.Estate) []finding.Finding {
	var fs []finding.Finding
	first := map[string]arn.ARN{}
	for _, key := range keys {
		k := e.Key(key.String())
		if !strings.HasPrefix(key.Resource, "key/mrk-") || k == nil || k.Policy == nil || k.Policy.Source == nil {
			continue
		}
		set := key.Account + " " + key.Resource
		other, seen := first[set]
		if !seen {
			first[set] = key
			continue
		}
		if anyRegion(e.Key(other.String()), other) != anyRegion(k, key) {
			fs = append(fs, finding.Finding{
				Rule: "KEY039", Severity: finding.Error, Subject: k.ARN, Position: k.Policy.Source.Position(k.Policy.Source.Pos),
				Text: fmt.Sprintf("the key policy in %s is not the one of the same multi-Region key in %s: key policies are not replicated", key.Region, other.Region),
				Fix:  "write the same statements in both Regions, with the Region in kms:ViaService",
			})
		}
	}
	return fs
}

// anyRegion is the canonical key policy without the name of its Region.
func anyRegion(k *estate.Key, key arn.ARN) string {
	return strings.ReplaceAll(string(k.Policy.Source.Canonical()), key.Region, "REGION")
}
