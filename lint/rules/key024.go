package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key024() Rule {
	return Rule{
		ID: "KEY024", Severity: finding.Critical,
		Title: "The key is in another Region than what it is to encrypt",
		Text: "A key works in its own Region only. A snapshot, a volume or a database is encrypted under a key of the Region it is in; " +
			"the staging area of Elastic Disaster Recovery, its key and the servers extended from it are in one Region, which need not be that of the source servers.",
		Fix:     "Use a key of the Region in which the data is.",
		Page:    "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html",
		Assumed: "no page says in one sentence that extended source servers stay in the Region of their staging area",
		Check:   otherRegion,
		Fires: []Example{
			{"script.sh", "aws ec2 create-volume --availability-zone eu-west-1a --size 8 --encrypted --kms-key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n"},
			{"script.sh", "aws ec2 copy-snapshot --region eu-west-1 --source-region us-east-1 --source-snapshot-id snap-1 --encrypted --kms-key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n"},
			{"guide.md", "# DRS\n\nMake sure the CMK is in the same region as the source servers.\n"},
		},
		Silent: []Example{
			{"script.sh", "aws ec2 create-volume --availability-zone us-east-1a --size 8 --encrypted --kms-key-id arn:aws:kms:us-east-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n"},
			{"script.sh", "aws ec2 copy-snapshot --region eu-west-1 --source-region us-east-1 --source-snapshot-id snap-1 --encrypted --kms-key-id arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab\n"},
			{"guide.md", "# DRS\n\nThe CMK has to be in the region of the staging area, not in that of the source servers.\n"},
		},
	}
}

func otherRegion(m *Material, r *Report) {
	for _, c := range m.Commands {
		if c.Service == "rds" && strings.HasPrefix(c.Operation, "copy-") || strings.HasPrefix(c.Service, "s3") {
			continue // KEY045 tells that; and the Region of a bucket may be another
		}
		region := c.region()
		if zone, ok := c.known("--availability-zone"); ok && region == "" && zoneShape.MatchString(zone) {
			region = zone[:len(zone)-1]
		}
		for _, o := range c.keys() {
			a, ok := keyARN(o.Values[0].Text)
			if !ok || a.Region == "" || !regionShape.MatchString(region) || a.Region == region {
				continue
			}
			r.Add(o.Pos, c.name(), fmt.Sprintf("the key is in %s, and the command works in %s: no key of another Region is found there", a.Region, region),
				"use a key of "+region)
		}
	}
	keyInTwoRegions(m, r)
	keyOutOfZone(m, r)
	stagingElsewhere(m, r)
	viaTwoRegions(m, r)
	sourceRegionClaim(m, r)
}

var zoneShape = lazy.Regexp(`^[a-z]{2,3}(-[a-z]+)+-\d[a-z]$`)

// keyOutOfZone reports what is declared in a zone under a key of another Region.
func keyOutOfZone(m *Material, r *Report) {
	for _, res := range m.Resources {
		zone, _ := digText(res.Body, "availability_zone")
		id, n := digText(res.Body, "kms_key_id")
		if zone == "" {
			zone, _ = digText(res.Body, "AvailabilityZone")
		}
		if n == nil {
			id, n = digText(res.Body, "KmsKeyId")
		}
		if a, ok := keyARN(id); ok && zoneShape.MatchString(zone) && a.Region != "" && a.Region != zone[:len(zone)-1] {
			r.Add(m.nodeAt(n.Pos), res.Name, fmt.Sprintf("the key is in %s, and %s is in %s", a.Region, res.Name, zone), "use a key of "+zone[:len(zone)-1])
		}
	}
}

// keyInTwoRegions reports a key id that commands use in two Regions. An alias
// may be given in each, and a multi-Region key is in several.
func keyInTwoRegions(m *Material, r *Report) {
	first := map[string]string{}
	for _, c := range m.Commands {
		region := c.region()
		for _, o := range c.keys() {
			id := o.Values[0]
			if c.Service != "kms" || id.Unknown || isAlias(id.Text) || strings.Contains(id.Text, "mrk-") || strings.HasPrefix(id.Text, "arn:") || !regionShape.MatchString(region) {
				continue
			}
			if had, ok := first[id.Text]; ok && had != region {
				r.Add(o.Pos, c.name(), fmt.Sprintf("key %s is used in %s here and in %s before: it is in one Region only", id.Text, region, had), "name the key of this Region")
			} else {
				first[id.Text] = region
			}
		}
	}
}

// stagingElsewhere reports servers extended from a staging area that are looked
// for in another Region than the one in which the text sets the area up.
func stagingElsewhere(m *Material, r *Report) {
	staging := ""
	for _, c := range m.Commands {
		if c.Service == "drs" && c.has("--ebs-encryption", "--ebs-encryption-key-arn") && staging == "" {
			staging = c.region()
		}
	}
	if !regionShape.MatchString(staging) {
		return
	}
	for _, c := range m.Commands {
		if c.Service != "drs" || !regionShape.MatchString(c.region()) || c.region() == staging {
			continue
		}
		extended := c.Operation == "create-extended-source-server" || c.Operation == "list-extensible-source-servers"
		if f := c.Option("--filters"); f != nil {
			extended = extended || slices.ContainsFunc(f.Values, func(w Word) bool { return strings.Contains(w.Text, "stagingAccountIDs") })
		}
		if extended {
			r.Add(c.Pos, c.name(), fmt.Sprintf("the staging area and its key are in %s; servers extended from it are not in %s", staging, c.region()),
				"work in "+staging+" in both accounts, or replicate into "+c.region())
		}
	}
}

var replicaWords = lazy.Regexp(`multi-?region|replica|mrk`)

// viaTwoRegions reports a key policy whose statements name services of
// different Regions: one key is in one.
func viaTwoRegions(m *Material, r *Report) {
	if m.says(replicaWords) {
		return
	}
	first := map[*Policy]string{}
	for _, p := range m.statements(KeyPolicy) {
		if p.policy.Key.Region != "" || strings.HasPrefix(p.policy.Key.Resource, "key/mrk-") {
			continue // KEY014 knows the Region
		}
		for _, c := range p.conditions("kms:ViaService") {
			region := oneVia(&c)
			switch had := first[p.policy]; {
			case region == "" || negated(c.op.Name):
			case had == "":
				first[p.policy] = region
			case had != region:
				r.addAs(finding.Warning, &p, c.key.Pos, fmt.Sprintf("services of %s here and of %s in a statement before: the key is in one Region, and one of the two never matches", region, had),
					"name services of the key's own Region")
			}
		}
	}
}

var viaRegion = lazy.Regexp(`^[a-z0-9-]+\.([a-z]{2,3}(?:-[a-z]+)+-\d)\.amazonaws\.com$`)

// oneVia returns the one Region of all services that a condition names.
func oneVia(c *condition) string {
	region := ""
	for _, v := range c.key.Values.Values {
		f := viaRegion.FindStringSubmatch(v.Text)
		if f == nil || v.Unknown || region != "" && f[1] != region {
			return ""
		}
		region = f[1]
	}
	return region
}

var (
	keyWithSource = lazy.Regexp(`\b(cmk|kms key|customer[- ]managed key|encryption key|key)\b.{0,60}\bregions?\b.{0,30}\b(source|protected|original|production|on-?prem\w*) (instances?|servers?|machines?|volumes?|workloads?|regions?)\b|\b(source|protected) (instances?|servers?|machines?|volumes?)('s?)? regions?\b.{0,60}\b(cmk|key)\b|\b(cmk|key)\b.{0,40}\bsource (instances?'?s?|servers?'?s?|region'?s?) region\b|\b(cmk|key)\b.{0,40}\bin the source region\b`)
	sourceKey     = lazy.Regexp(`\bsource (kms |encryption )?(key|cmk)\b`)
	rightRegion   = lazy.Regexp(`\bstaging\b|\bto which\b|\breplicat\w+ (to|into)\b|\btarget region\b|\brecovery region\b|\bdrs region\b`)
)

func sourceRegionClaim(m *Material, r *Report) {
	if !m.disasterRecovery() {
		return
	}
	for _, s := range m.sentences() {
		if !aboutDRS.MatchString(s.text+" "+s.under) || sourceKey.MatchString(s.text) {
			continue
		}
		if keyWithSource.MatchString(s.text) && !rightRegion.MatchString(s.text) && !s.denies() {
			r.Add(s.at, "", "the key has to be in the Region of the staging area, to which the servers replicate; where the source servers are does not matter",
				"check the Region of the staging area")
		}
	}
}
