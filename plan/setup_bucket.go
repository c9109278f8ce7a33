package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/access"
	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/backup/store"
	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// The parts of what lets somebody use a bucket.
const (
	writePart part = "Write"
	readPart  part = "Read"
	prunePart part = "Prune"
	listPart  part = "List"
)

// bucket is where the backups of a route lie.
type bucket struct {
	name    string
	prefix  string // without slashes around it; empty for all of the bucket
	encrypt string // the ARN of a key, or AES256
	account string
	region  string
	own     *route.Backup // the part of the route that names it; nil when it was named beside
}

// arn is that of the bucket.
func (b *bucket) arn() string { return "arn:" + awsfacts.PartitionName(b.region) + ":s3:::" + b.name }

// objects are the backups in it, as a policy names them.
func (b *bucket) objects() string {
	if b.prefix == "" {
		return b.arn() + "/*"
	}
	return b.arn() + "/" + b.prefix + "/*"
}

// bucketsOf are the buckets of a route of kind backup: that of its store, and those that
// were named for it.
func (m *maker) bucketsOf(r *route.Route) []bucket {
	var list []bucket
	if r.Kind.Name != "backup" {
		return nil
	}
	for _, vault := range r.Parties["vault"] {
		at := bucket{account: vault.Account, region: vault.Region, encrypt: vault.Key}
		if r.Backup != nil {
			if name, prefix, ok := r.Backup.Bucket(); ok {
				at.name, at.prefix, at.own = name, prefix, r.Backup
				at.encrypt = cmp.Or(r.Backup.SSEKey, vault.Key)
				list = append(list, at)
			}
		}
		for _, name := range m.o.Buckets {
			if at.own == nil || at.name != name {
				list = append(list, bucket{name: name, account: vault.Account, region: vault.Region, encrypt: vault.Key})
			}
		}
	}
	return list
}

// wantBuckets sets up the buckets of the routes of kind backup.
func (m *maker) wantBuckets() {
	for i := range m.routes {
		r := &m.routes[i]
		for _, b := range m.bucketsOf(r) {
			m.wantBucket(r, b)
			m.wantOwn(r, b)
		}
	}
}

// wantBucket is a bucket as backups need it: versions, so that nothing is overwritten for
// good; the key for everything in it; no public access; and, for the principals of other
// accounts only, the right to write or read, which their own policies need not give twice.
func (m *maker) wantBucket(r *route.Route, b bucket) {
	want := func(op estate.Op, why string) {
		m.once(&m.last, wanted{op: op, why: why, routes: []string{r.Name}})
	}
	set := func(setting, text, why string) {
		want(&estate.BucketSetting{Bucket: b.name, Account: b.account, Region: b.region, Setting: setting, Text: text}, why)
	}
	want(&estate.NewBucket{Bucket: b.name, Account: b.account, Region: b.region}, "make the bucket")
	set(estate.BucketPublicAccess, "true", "keep the public out, whatever else is written")
	set(estate.BucketVersioning, "Enabled", "keep what is overwritten or deleted")
	if b.encrypt == route.AES256 {
		set(estate.BucketEncryption, route.AES256, "encrypt everything under the keys of S3: the backups are encrypted already, and hang on no key for that")
	} else {
		set(estate.BucketEncryption, b.encrypt, "encrypt everything under the key")
		set(estate.BucketKeyOn, "true", "ask KMS less often")
	}
	m.wantLifecycle(r, b)
	rules := m.sharedRules(r, b)
	if b.own != nil && len(rules) == 0 {
		return
	}
	if out, err := edit(m.bucketText(b.name, estate.BucketPolicy), rules, isGone(m.base)); err == nil {
		set(estate.BucketPolicy, out.text, "let the hosts write and the restorers read")
	}
}

// sharedRules are those of the bucket's policy, which all routes of the bucket share.
func (m *maker) sharedRules(r *route.Route, b bucket) []rule {
	rules := m.bucketRules(r, b)
	for i := range m.routes {
		for _, other := range m.bucketsOf(&m.routes[i]) {
			if other.name != b.name || m.routes[i].Name == r.Name {
				continue
			}
			for _, rule := range m.bucketRules(&m.routes[i], other) {
				rules = merge(rules, rule)
			}
		}
	}
	return rules
}

// bucketText is a setting of a bucket of the estate; empty when there is none.
func (m *maker) bucketText(bucket, setting string) string {
	for i := range m.base.Resources {
		if r := &m.base.Resources[i]; r.Type == "s3:Bucket" && r.ID == bucket {
			return r.Attributes[setting]
		}
	}
	return ""
}

// use is what a party does with a bucket.
type use struct {
	party   string
	part    part
	objects []string // actions on the backups
	list    []string // actions on the bucket
}

// usesOf are the least rights of the parties.
func usesOf(b *bucket) []use {
	if b.own == nil {
		return []use{
			{"hosts", writePart, []string{"s3:AbortMultipartUpload", "s3:PutObject"}, []string{"s3:ListBucket"}},
			{"restorers", readPart, []string{"s3:GetObject", "s3:GetObjectVersion"}, []string{"s3:ListBucket"}},
		}
	}
	as := func(party string, p part, role store.Role) use {
		return use{party, p, role.ObjectActions(false), role.BucketActions()}
	}
	return []use{as("hosts", writePart, store.WriterRole), as("restorers", readPart, store.RestorerRole), as("admins", prunePart, store.PrunerRole)}
}

// bucketRules let in the principals of other accounts.
func (m *maker) bucketRules(r *route.Route, b bucket) []rule {
	var rules []rule
	for _, u := range usesOf(&b) {
		for _, p := range r.Parties[u.party] {
			if p.Account == b.account || strings.Contains(p.Actor.Principal, ":assumed-role/") {
				continue
			}
			rules = merge(rules, rule{part: u.part, principal: p.Actor.Principal, resource: b.objects(), actions: u.objects, routes: []string{r.Name}})
			rules = merge(rules, rule{part: listPart, principal: p.Actor.Principal, resource: b.arn(), actions: u.list, routes: []string{r.Name}})
		}
	}
	return rules
}

// ownRules are what the principals of a route with a backup part need of their own
// policies, with the principal that each is for.
func (m *maker) ownRules(r *route.Route, b bucket) []rule {
	var rules []rule
	if b.own == nil {
		return nil
	}
	for _, u := range usesOf(&b) {
		for _, p := range r.Parties[u.party] {
			holder := m.holderOf(parsed(p.Actor.Principal))
			if holder == "" {
				continue
			}
			for _, w := range []rule{{part: u.part, resource: b.objects(), actions: u.objects}, {part: listPart, resource: b.arn(), actions: u.list}} {
				w.principal, w.routes = holder, []string{r.Name}
				rules = merge(rules, w)
			}
		}
	}
	return rules
}

// allowedItself reports whether the policies of a principal allow it something already.
func (m *maker) allowedItself(principal, action, resource string) bool {
	r, err := estate.NewRequest(principal, action, resource)
	if err != nil {
		return false
	}
	r.At = m.o.At
	c := m.base.Bind(r)
	d := access.Authorize(&c)
	return d.Effect == access.Allow || d.Effect == access.ImplicitDeny && !slices.Contains(d.BlockedBy(), access.Identity)
}

// wantOwn has the parties' own policies let them use the bucket, as far as they do not yet.
func (m *maker) wantOwn(r *route.Route, b bucket) {
	for _, w := range m.ownRules(r, b) {
		holder := w.principal
		w.principal = ""
		w.actions = slices.DeleteFunc(slices.Clone(w.actions), func(action string) bool { return m.allowedItself(holder, action, w.resource) })
		if len(w.actions) == 0 {
			continue
		}
		if m.inline[holder] == nil {
			m.inline[holder] = map[string][]rule{}
		}
		m.inline[holder][r.Name] = merge(m.inline[holder][r.Name], w)
	}
}
