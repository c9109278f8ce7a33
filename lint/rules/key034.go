package rules

import (
	"slices"
	"strings"

	"github.com/keyreach/keyreach/arn"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/source"
	"github.com/keyreach/keyreach/policy"
)

func key034() Rule {
	return Rule{
		ID: "KEY034", Severity: finding.Error,
		Title: "A condition on the object's ARN, with an S3 Bucket Key",
		Text: "Without a Bucket Key S3 encrypts each object under its own ARN as encryption context; with one the context is the bucket's ARN. A condition on " +
			"kms:EncryptionContext:aws:s3:arn that names objects stops matching when the Bucket Key is switched on.",
		Fix:   "Name the bucket's ARN; while old objects are still read, the objects' ARNs as well.",
		Page:  "https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html",
		Check: bucketKeys,
		Fires: []Example{{"guide.md", "# Reports\n\n```sh\n" + bucketKeyOn + "\n```\n\n```json\n" + `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  "Condition": {"StringLike": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::reports/*"}}
}]}` + "\n```\n"}},
		Silent: []Example{{"guide.md", "# Reports\n\n```sh\n" + bucketKeyOn + "\n```\n\n```json\n" + `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
  "Condition": {"StringLike": {"kms:EncryptionContext:aws:s3:arn": ["arn:aws:s3:::reports", "arn:aws:s3:::reports/*"]}}
}]}` + "\n```\n"}},
	}
}

const bucketKeyOn = `aws s3api put-bucket-encryption --bucket reports --server-side-encryption-configuration \
  '{"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": true}]}'`

// bucketKeys reports conditions that a Bucket Key of the same text keeps from
// matching, and encryption of a bucket that leaves the question open.
func bucketKeys(m *Material, r *Report) {
	buckets := m.keyedBuckets(r)
	if len(buckets) == 0 {
		return
	}
	for _, p := range m.statements() {
		if !p.allows() {
			continue
		}
		for _, a := range p.asks() {
			if a.name == "kms:encryptioncontext:aws:s3:arn" && !negated(a.op.Name) {
				p.objectContext(&a, buckets, r)
			}
		}
	}
}

// objectContext reports values that name objects of a bucket with a Bucket Key,
// where none names the bucket.
func (p *place) objectContext(a *asked, buckets map[string]bool, r *Report) {
	for i := range a.key.Values.Values {
		v := &a.key.Values.Values[i]
		s, err := arn.Parse(v.Text)
		bucket, object, isObject := strings.Cut(s.Resource, "/")
		if err != nil || v.Kind != policy.StringValue || s.Service != "s3" || !isObject || object == "" {
			continue
		}
		if !buckets[bucket] {
			continue
		}
		s.Resource = bucket
		if a.with(policy.One(s.String())) == policy.False {
			r.add(p, v.Pos, v.Text+" names objects, and the bucket has a Bucket Key: the context is "+s.String(), "add "+s.String())
		}
	}
}

// keyedBuckets returns the names of the buckets that get a Bucket Key, as they are
// written.
func (m *Material) keyedBuckets(r *Report) map[string]bool {
	buckets := map[string]bool{}
	for _, res := range m.Resources {
		if res.Body == nil || !strings.Contains(strings.ToLower(res.Type), "s3") || !switchedOn(res.Body) {
			continue
		}
		for _, name := range [...]string{"BucketName", "bucket", "name", "Name"} {
			if n := res.Body.Field(name); n != nil && n.Kind == source.String {
				buckets[n.Text] = true
			}
		}
	}
	for _, c := range m.Commands {
		w, ok := c.Value("--server-side-encryption-configuration")
		if !ok || !c.Is("s3api", "put-bucket-encryption") || w.JSON == nil {
			continue
		}
		bucket, _ := c.Value("--bucket")
		switch {
		case switchedOn(w.JSON):
			buckets[bucket.Text] = true
		case hasText(w.JSON, "aws:kms") && !hasField(w.JSON, "BucketKeyEnabled"):
			r.AddAs(finding.Info, c.Pos, bucket.Text, "says nothing of a Bucket Key: each object makes a call to KMS, and if the key is switched on later the encryption context becomes the bucket's ARN",
				"add \"BucketKeyEnabled\": true, and name the bucket's ARN in conditions on the context")
		}
	}
	return buckets
}

// switchedOn reports whether a Bucket Key is switched on anywhere in a text.
func switchedOn(n *source.Node) bool {
	return anywhere(n, func(name string, v *source.Node) bool {
		name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
		return name == "bucketkeyenabled" && strings.EqualFold(v.Text, "true")
	})
}

func hasField(n *source.Node, field string) bool {
	return anywhere(n, func(name string, _ *source.Node) bool { return name == field })
}

func hasText(n *source.Node, text string) bool {
	return anywhere(n, func(_ string, v *source.Node) bool { return v.Kind == source.String && v.Text == text })
}

// anywhere reports whether a member at any depth is as asked.
func anywhere(n *source.Node, ask func(name string, v *source.Node) bool) bool {
	for i := range n.Fields {
		f := &n.Fields[i]
		if ask(f.Name, &f.Value) || anywhere(&f.Value, ask) {
			return true
		}
	}
	return slices.ContainsFunc(n.Items, func(item source.Node) bool { return anywhere(&item, ask) })
}
