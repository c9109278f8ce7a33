package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyreach/keyreach/estate"
	"github.com/keyreach/keyreach/route"
)

// lifecycle keeps what is replaced or deleted for a month, and takes away parts of
// uploads that were never completed. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html.
const lifecycle = `{"Rules":[{"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7},"Filter":{"Prefix":""},"ID":"keyreach-uploads","Status":"Enabled"},` +
	`{"Expiration":{"ExpiredObjectDeleteMarker":true},"Filter":{"Prefix":""},"ID":"keyreach-versions","NoncurrentVersionExpiration":{"NoncurrentDays":30},"Status":"Enabled"}]}`

// Of a store: how long the parts of an upload that nobody completed stay, and how long a
// version that is hidden can still be had.
const (
	uploadDays = 2
	hiddenDays = 30
)

// wantLifecycle sets the lifecycle of a bucket. That of a store puts the rules of its
// prefix in, each in the place of the one with its id, and leaves the others.
func (m *maker) wantLifecycle(r *route.Route, b bucket) {
	op := &estate.BucketSetting{Bucket: b.name, Account: b.account, Region: b.region, Setting: estate.BucketLifecycle, Text: lifecycle}
	why := "take away old versions and uploads that were never completed"
	if b.own != nil {
		text := m.bucketText(b.name, estate.BucketLifecycle)
		for i := range m.routes {
			for _, other := range m.bucketsOf(&m.routes[i]) {
				if other.name == b.name && other.own != nil {
					text = withRules(text, rulesOf(&other), idOf(&other, expireRule))
				}
			}
		}
		if op.Text = text; b.own.Retention.Expire {
			why += fmt.Sprintf("; hide what is older than %d days", b.own.Retention.Days)
		}
	}
	m.once(&m.last, wanted{op: op, why: why, routes: []string{r.Name}})
}

// rulesOf are the lifecycle rules of a store. In a bucket with versions an expiration only
// hides, so that what is hidden needs an end of its own, and the delete markers that then
// stand alone too; the latter cannot stand beside days. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleExpiration.html.
func rulesOf(b *bucket) []map[string]any {
	prefix := ""
	if b.prefix != "" {
		prefix = b.prefix + "/"
	}
	rule := func(name string) map[string]any {
		return map[string]any{"ID": idOf(b, name), "Status": "Enabled", "Filter": map[string]any{"Prefix": prefix}}
	}
	uploads, versions := rule("uploads"), rule("versions")
	uploads["AbortIncompleteMultipartUpload"] = map[string]any{"DaysAfterInitiation": uploadDays}
	versions["Expiration"] = map[string]any{"ExpiredObjectDeleteMarker": true}
	versions["NoncurrentVersionExpiration"] = map[string]any{"NoncurrentDays": hiddenDays}
	list := []map[string]any{uploads, versions}
	if b.own.Retention.Expire {
		expire := rule(expireRule)
		expire["Expiration"] = map[string]any{"Days": b.own.Retention.Days}
		list = append(list, expire)
	}
	return list
}

// expireRule is the name of the rule that hides what is old: a store has it only when
// somebody asks for it.
const expireRule = "expire"

// idOf is the id of a store's rule, of which S3 takes 255 characters. See
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html.
func idOf(b *bucket, name string) string {
	id := "keyreach-" + name
	if b.prefix == "" {
		return id
	}
	if len(b.prefix) > 200 {
		sum := sha256.Sum256([]byte(b.prefix))
		return id + " " + hex.EncodeToString(sum[:])
	}
	return id + " " + b.prefix
}

type lifecycleText struct{ Rules []map[string]any }

// withRules puts rules into a lifecycle, in the place of the one with the id that is old. One that cannot be read is left as it is: writing
// it would take away what nobody knows.
func withRules(text string, rules []map[string]any, old string) string {
	var l lifecycleText
	if text != "" && json.Unmarshal([]byte(text), &l) != nil {
		return text
	}
	l.Rules = slices.DeleteFunc(l.Rules, func(rule map[string]any) bool {
		return rule["ID"] == old && !slices.ContainsFunc(rules, func(r map[string]any) bool { return r["ID"] == old })
	})
	for _, rule := range rules {
		at := slices.IndexFunc(l.Rules, func(have map[string]any) bool { return have["ID"] == rule["ID"] })
		if at < 0 {
			l.Rules = append(l.Rules, rule)
		} else {
			l.Rules[at] = rule
		}
	}
	return canonical(map[string]any{"Rules": l.Rules})
}

// quiet tells of lifecycle rules that somebody else wrote and that hide the backups of a
// store: a source that is quiet, or whose backups fail, is one day left without any.
func (m *maker) quiet() []Stuck {
	var list []Stuck
	for i := range m.routes {
		r := &m.routes[i]
		for _, b := range m.bucketsOf(r) {
			var l lifecycleText
			if b.own == nil || json.Unmarshal([]byte(m.bucketText(b.name, estate.BucketLifecycle)), &l) != nil {
				continue
			}
			for _, rule := range l.Rules {
				if days, ok := hides(rule, &b); ok {
					list = append(list, quietStuck(r, &b, rule, days))
				}
			}
		}
	}
	return list
}

// hides reports after how many days a rule that is none of the plan's hides backups, when
// that is too soon: with max_age unsaid nobody would notice however long it takes.
func hides(rule map[string]any, b *bucket) (days int, tooSoon bool) {
	id, _ := rule["ID"].(string)
	expiration, _ := rule["Expiration"].(map[string]any)
	after, _ := expiration["Days"].(float64)
	if rule["Status"] != "Enabled" || after == 0 || id == idOf(b, expireRule) {
		return 0, false
	}
	prefix, _ := rule["Prefix"].(string) // the form before filters
	if filter, ok := rule["Filter"].(map[string]any); ok {
		prefix, _ = filter["Prefix"].(string)
	}
	mine := b.prefix + "/"
	if b.prefix == "" {
		mine = ""
	}
	if !strings.HasPrefix(mine, prefix) && !strings.HasPrefix(prefix, mine) {
		return 0, false
	}
	kept := time.Duration(after) * 24 * time.Hour
	return int(after), b.own.MaxAge == 0 || kept < 2*b.own.MaxAge
}

func quietStuck(r *route.Route, b *bucket, rule map[string]any, days int) Stuck {
	id, _ := rule["ID"].(string)
	return Stuck{
		Route: r.Name, Step: "write", What: fmt.Sprintf("the bucket %s hides backups after %d days, by its lifecycle rule %q", b.name, days, id),
		Why:   "a source that is quiet, or whose backups fail, is then left without any; and the rule is not one of keyreach's, which leaves it",
		Owner: "account " + b.account, Do: "take the rule out, or have it spare " + b.objects() + "; retention: {days, expire} with max_age has keyreach plan write one that is safe",
	}
}
