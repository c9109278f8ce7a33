package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key039() Rule {
	return Rule{
		ID: "KEY039", Severity: finding.Error,
		Title: "A multi-Region key is not the same in its Regions",
		Text: "The keys of a multi-Region set share key id and material. Policy, grants, aliases, tags and whether they are enabled each has " +
			"for itself; a replica made without a policy gets the default one.",
		Fix:   "Set policy, grants and aliases in each Region.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/multi-region-keys-overview.html",
		Check: replicasApart,
		Fires: []Example{
			{"script.sh", "aws kms replicate-key --key-id mrk-1234abcd12ab34cd56ef1234567890ab --replica-region eu-west-1\n"},
			{"guide.md", "# Multi-Region keys\n\nReplicas inherit the key policy of the primary.\n"},
			{"guide.md", "# Multi-Region KMS keys\n\nCreate the grants for each regional key.\n"},
		},
		Silent: []Example{
			{"script.sh", "aws kms replicate-key --key-id mrk-1234abcd12ab34cd56ef1234567890ab --replica-region eu-west-1 --policy file://p.json\n"},
			{"guide.md", "# Multi-Region keys\n\nReplicas do not inherit the key policy of the primary: set policy, alias and grants in each Region.\n"},
		},
	}
}

var (
	aboutReplicas  = lazy.Regexp(`\bmulti-?\s?region (kms )?keys?\b|\breplica keys?\b|\bmrks?\b|\breplicas\b.{0,60}\bkey|\bregional keys?\b`)
	sharedByClaim  = lazy.Regexp(`\b(replicas?|replica keys?|multi-?region keys?|regional keys?)\b.{0,60}\b(share|shares|inherits?|copy|copies|same|identical)\b.{0,40}\b(key )?(polic(y|ies)|grants?|alias(es)?)\b|\b(polic(y|ies)|grants?|alias(es)?)\b.{0,40}\b(replicated|copied|synchroni[sz]ed|shared|propagated?)\b.{0,60}\b(replicas?|regions?|multi-?region)\b`)
	grantsPerPlace = lazy.Regexp(`\bgrants?\b.{0,80}\b(each|every|per|all)\b.{0,20}\b(region\w*|replicas?)\b|\b(each|every|per|all)\b.{0,20}\b(region\w*|replicas?)\b.{0,80}\bgrants?\b`)
	policyPerPlace = lazy.Regexp(`\bpolic(y|ies)\b.{0,80}\b(each|every|per|all)\b.{0,20}\b(region\w*|replicas?)\b|\b(each|every|per|all)\b.{0,20}\b(region\w*|replicas?)\b.{0,80}\bpolic(y|ies)\b`)
	anyRegion      = lazy.Regexp(`\bregions?\b.{0,40}\b(wild-?card\w*)\b|\bwild-?card\w*\b.{0,40}\bregions?\b`)
	keptBackups    = lazy.Regexp(`\bbackups?\b`)
	elsewhere      = lazy.Regexp(`\bmulti-?region\b|\breplicas?\b|\bcross-?region\b|\b(another|second|other|different|secondary) regions?\b|\bdisaster\b`)
)

func replicasApart(m *Material, r *Report) {
	for _, c := range m.Commands {
		if c.Is("kms", "replicate-key") && !c.has("--policy") && !c.told() && len(c.Options) > 0 {
			r.AddAs(finding.Warning, c.Pos, c.name(), "the replica gets the default key policy, not that of the primary; it has no grants and no alias either",
				"pass --policy, and make alias and grants in the replica's Region")
		}
	}
	for _, res := range m.Resources {
		if res.Type == "aws_kms_replica_key" && len(dig(res.Body, "policy")) == 0 && !policyOfItsOwn(m, res) {
			r.AddAs(finding.Warning, res.Pos, res.Name, "the replica gets the default key policy, not that of the primary", "give it the policy")
		}
	}
	replicaClaims(m, r)
	replicaKeys(m, r)
	oneRegionBackup(m, r)
}

func policyOfItsOwn(m *Material, res *Resource) bool {
	return slices.ContainsFunc(m.Resources, func(other *Resource) bool {
		return other.Type == "aws_kms_key_policy" && mentions(other.Body, res.Name+".")
	})
}

// replicaClaims reports a text that says that policies or grants go along with
// a replica, and one that has the grants made in each Region and forgets the
// policy.
func replicaClaims(m *Material, r *Report) {
	policies := m.says(policyPerPlace)
	for _, s := range m.sentences() {
		if !aboutReplicas.MatchString(s.text) && !aboutReplicas.MatchString(s.under) {
			continue
		}
		switch {
		case anyRegion.MatchString(s.text) && !s.denies():
			r.AddAs(finding.Info, s.at, "", "a wildcard for the Region takes in the keys of every Region, also those that have nothing to do with the set", "name the Regions in which the set has keys")
		case sharedByClaim.MatchString(s.text) && !s.denies():
			r.Add(s.at, "", "policy, grants and aliases are not shared by the keys of a multi-Region set", "set them in each Region")
		case grantsPerPlace.MatchString(s.text) && !policies && !s.denies():
			r.AddAs(finding.Warning, s.at, "", "not the grants alone: each key of a multi-Region set has a key policy and aliases of its own", "set policy and alias in each Region too")
		}
	}
}

// replicaKeys compares keys of an estate that have the same id.
func replicaKeys(m *Material, r *Report) {
	first := map[string]*Key{}
	for _, k := range m.Keys {
		id := k.ARN.Resource
		if !strings.HasPrefix(id, "key/mrk-") || k.ARN.Region == "" {
			continue
		}
		had := first[id]
		if had == nil {
			first[id] = k
			continue
		}
		var differ []string
		if k.Policy != nil && had.Policy != nil && !bytes.Equal(regionless(k), regionless(had)) {
			differ = append(differ, "key policy")
		}
		if !sameAliases(k.Aliases, had.Aliases) {
			differ = append(differ, "aliases")
		}
		if k.State != "" && had.State != "" && k.State != had.State {
			differ = append(differ, "state")
		}
		if len(differ) > 0 {
			r.Add(k.Pos, k.ARN.String(), fmt.Sprintf("%s of %s in %s and in %s differ", list(differ), id, had.ARN.Region, k.ARN.Region), "make them the same, Region by Region")
		}
	}
}

// regionless is a key's policy with the key's Region taken out.
func regionless(k *Key) []byte {
	return bytes.ReplaceAll(k.Policy.Doc.Canonical(), []byte(k.ARN.Region), []byte("REGION"))
}

func sameAliases(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// oneRegionBackup notes a key for backups that exists in one Region, in a text
// that never thinks of another.
func oneRegionBackup(m *Material, r *Report) {
	if !m.says(keptBackups) || m.says(elsewhere) {
		return
	}
	for _, c := range m.Commands {
		if c.Is("kms", "create-key") && !c.has("--multi-region") {
			r.AddAs(finding.Info, c.Pos, c.name(), "the backups open in this Region only, and with this key only: nothing says how they are restored when the Region or the key is gone",
				"make it a multi-Region key, or keep copies under a key of another Region")
			return
		}
	}
}
