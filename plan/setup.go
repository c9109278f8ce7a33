package plan

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// wantSharing shares the snapshots and images that were named with the accounts of the
// routes that use their keys.
func (m *maker) wantSharing() {
	for _, id := range m.o.Share {
		found := false
		for i := range m.base.Resources {
			r := &m.base.Resources[i]
			if r.ID != id && r.ARN != id || !shareable(r.Type) {
				continue
			}
			found = true
			for _, c := range m.consumersOf(r) {
				op := &estate.Share{Type: r.Type, ID: r.ID, Account: r.Account, Region: r.Region, With: c.account}
				m.once(&m.last, wanted{op: op, why: "share it with account " + c.account + ", which the route has open it", routes: []string{c.route}})
			}
		}
		if !found {
			m.told = append(m.told, id+" is not shared: the estate holds no snapshot or image of that id")
		}
	}
}

func shareable(typ string) bool {
	return slices.Contains([]string{"ec2:Snapshot", "ec2:Image", "rds:DBSnapshot", "rds:DBClusterSnapshot"}, typ)
}

type consumerOf struct{ account, route string }

// consumersOf are the other accounts of the routes on which the key of a resource is.
func (m *maker) consumersOf(r *estate.Resource) []consumerOf {
	var list []consumerOf
	for i := range m.routes {
		uses := false
		each(&m.routes[i], func(_ string, p *route.Party) { uses = uses || p.Key == r.Key && p.Account == r.Account })
		if !uses {
			continue
		}
		each(&m.routes[i], func(_ string, p *route.Party) {
			c := consumerOf{p.Account, m.routes[i].Name}
			if p.Account != r.Account && !slices.Contains(list, c) {
				list = append(list, c)
			}
		})
	}
	return list
}

// each calls do for the parties of a route, in the order of the kind.
func each(r *route.Route, do func(name string, p *route.Party)) {
	for _, kind := range r.Kind.Parties {
		for i := range r.Parties[kind.Name] {
			do(kind.Name, &r.Parties[kind.Name][i])
		}
	}
}

// wantDefaults makes the keys of consumers the default keys of their accounts.
func (m *maker) wantDefaults() {
	if !m.o.EBSDefault {
		return
	}
	for i := range m.routes {
		r := &m.routes[i]
		each(r, func(name string, p *route.Party) {
			if name != "consumers" && name != "target" || p.Key == "" || r.Kind.Name != "ami" && r.Kind.Name != "ebs" && r.Kind.Name != "drs" {
				return
			}
			op := &estate.EBSEncryption{Account: p.Account, Region: p.Region, Encrypt: true, Key: p.Key}
			m.once(&m.last, wanted{op: op, why: "make the key the default key of EBS, as asked", routes: []string{r.Name}})
		})
	}
}

// lifecycle keeps what is replaced or deleted for a month, and takes away parts of
// uploads that were never completed. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html.
const lifecycle = `{"Rules":[{"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7},"Filter":{"Prefix":""},"ID":"keyreach-uploads","Status":"Enabled"},` +
	`{"Expiration":{"ExpiredObjectDeleteMarker":true},"Filter":{"Prefix":""},"ID":"keyreach-versions","NoncurrentVersionExpiration":{"NoncurrentDays":30},"Status":"Enabled"}]}`

// The parts of a bucket's policy.
const (
	writePart part = "Write"
	readPart  part = "Read"
	listPart  part = "List"
)

// wantBuckets sets up the buckets that were named for the routes of kind backup.
func (m *maker) wantBuckets() {
	for _, bucket := range m.o.Buckets {
		for i := range m.routes {
			if r := &m.routes[i]; r.Kind.Name == "backup" {
				for _, p := range r.Parties["vault"] {
					m.wantBucket(r, &p, bucket)
				}
			}
		}
	}
}

// wantBucket is a bucket as backups need it: versions, so that nothing is overwritten for
// good; the key for everything in it; no public access; and, for the principals of other
// accounts only, the right to write or read, which their own policies need not give twice.
func (m *maker) wantBucket(r *route.Route, vault *route.Party, bucket string) {
	want := func(op estate.Op, why string) { m.once(&m.last, wanted{op: op, why: why, routes: []string{r.Name}}) }
	set := func(setting, text, why string) {
		want(&estate.BucketSetting{Bucket: bucket, Account: vault.Account, Region: vault.Region, Setting: setting, Text: text}, why)
	}
	want(&estate.NewBucket{Bucket: bucket, Account: vault.Account, Region: vault.Region}, "make the bucket")
	set(estate.BucketPublicAccess, "true", "keep the public out, whatever else is written")
	set(estate.BucketVersioning, "Enabled", "keep what is overwritten or deleted")
	set(estate.BucketEncryption, vault.Key, "encrypt everything under the key")
	set(estate.BucketKeyOn, "true", "ask KMS less often")
	set(estate.BucketLifecycle, lifecycle, "take away old versions and uploads that were never completed")
	if out, err := edit(m.bucketPolicy(bucket), m.bucketRules(r, vault, bucket), isGone(m.base)); err == nil {
		set(estate.BucketPolicy, out.text, "let the hosts write and the restorers read")
	}
}

func (m *maker) bucketPolicy(bucket string) string {
	for i := range m.base.Resources {
		if r := &m.base.Resources[i]; r.Type == "s3:Bucket" && r.ID == bucket {
			return r.Attributes[estate.BucketPolicy]
		}
	}
	return ""
}

func (m *maker) bucketRules(r *route.Route, vault *route.Party, bucket string) []rule {
	at := "arn:" + awsfacts.PartitionName(vault.Region) + ":s3:::" + bucket
	var rules []rule
	for _, party := range []struct {
		name    string
		part    part
		actions []string
	}{
		{"hosts", writePart, []string{"s3:AbortMultipartUpload", "s3:PutObject"}},
		{"restorers", readPart, []string{"s3:GetObject", "s3:GetObjectVersion"}},
	} {
		for _, p := range r.Parties[party.name] {
			if p.Account == vault.Account || strings.Contains(p.Actor.Principal, ":assumed-role/") {
				continue
			}
			rules = merge(rules, rule{part: party.part, principal: p.Actor.Principal, resource: at + "/*", actions: party.actions, routes: []string{r.Name}})
			rules = merge(rules, rule{part: listPart, principal: p.Actor.Principal, resource: at, actions: []string{"s3:ListBucket"}, routes: []string{r.Name}})
		}
	}
	return rules
}
