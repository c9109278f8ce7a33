package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/wire"
)

// request makes a request of parts that need not be any good; nil when not even Go
// takes the target for one.
func request(method, target string, header http.Header, body []byte) *http.Request {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil
	}
	return &http.Request{Method: method, URL: u, Header: header, ContentLength: int64(len(body))}
}

// decoded reads a request both ways. What is refused is refused as the fault of
// the client.
func decoded(t *testing.T, c *wire.Codec, op *awsfacts.APIOperation, r *http.Request, body []byte, kind reflect.Type) (any, bool) {
	t.Helper()
	strict, loose := reflect.New(kind).Interface(), reflect.New(kind).Interface()
	err := c.Decode(op, r, body, strict)
	refused(t, c, err)
	fill := c.Fill(op, r, body, loose)
	refused(t, c, fill)
	if err == nil && fill != nil {
		t.Fatalf("read with constraints and not without: %v", fill)
	}
	return loose, fill == nil
}

func refused(t *testing.T, c *wire.Codec, err error) {
	t.Helper()
	var e *wire.Error
	if err == nil {
		return
	}
	if !errors.As(err, &e) {
		t.Fatalf("the codec itself failed: %v", err)
	}
	if status := c.AsError(err).Status; status < 400 || status > 499 {
		t.Fatalf("%d: %v", status, err)
	}
}

// mirror answers the input, so that what was read can be written.
func mirror(op *awsfacts.APIOperation) *awsfacts.APIOperation {
	m := *op
	m.Output, m.Wrapper, m.Status = op.Input, op.Root, 200
	return &m
}

// settles writes what was read, reads that and so on: after the first time, which
// may drop fractions of seconds and empty headers, nothing changes any more.
func settles(t *testing.T, c *wire.Codec, op *awsfacts.APIOperation, r *http.Request, in any) {
	t.Helper()
	var before []byte
	for round := range 3 {
		res, err := c.Encode(mirror(op), in, requestID)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		var b bytes.Buffer
		_ = res.Header.Write(&b) // into a buffer: it cannot fail
		b.Write(res.Body)
		if round > 1 && !bytes.Equal(b.Bytes(), before) {
			t.Fatalf("written\n%s\nread and written again\n%s", before, b.Bytes())
		}
		before = b.Bytes()
		again := reflect.New(reflect.TypeOf(in).Elem()).Interface()
		if err := c.Fill(op, request(r.Method, r.URL.RequestURI(), res.Header, res.Body), res.Body, again); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, b.Bytes())
		}
		in = again
	}
}

type target struct {
	operation string
	kind      reflect.Type
}

func FuzzJSON(f *testing.F) {
	c := codecOf(f, "kms")
	targets := []target{
		{"CreateGrant", reflect.TypeFor[kms.CreateGrantInput]()}, {"CreateKey", reflect.TypeFor[kms.CreateKeyInput]()},
		{"Encrypt", reflect.TypeFor[kms.EncryptInput]()}, {"ImportKeyMaterial", reflect.TypeFor[kms.ImportKeyMaterialInput]()},
	}
	for i, body := range []string{
		`{"KeyId":"k","GranteePrincipal":"p","Operations":["Decrypt",null],"Constraints":{"EncryptionContextSubset":{"a":"b","a":"c"}}}`,
		`{"Tags":[{"TagKey":"a","TagValue":"\ud800"}],"MultiRegion":true,"Policy":"{}"}`,
		`{"KeyId":"k","Plaintext":"YQ==","EncryptionContext":{"":null}}`,
		`{"ValidTo":1e308,"KeyId":"k"}`, `{"ValidTo":253402300799.9996}`, `{"ValidTo":"2026-11-24T09:30:15.123456789+14:00"}`, `{"ValidTo":-62135596800}`,
		`{"ValidTo":"NaN"}`, `{"ValidTo":"0001-01-01T00:00:00+14:00"}`, ``, ` `, `null`, `[]`, `{}{}`, `{"KeyId":NaN}`, "{\"KeyId\":\"\xff\"}",
		`{"a":` + strings.Repeat("[", 20000), strings.Repeat(`{"Constraints":`, 9000) + strings.Repeat("}", 9000),
	} {
		f.Add(uint8(i), []byte(body))
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		x := targets[int(n)%len(targets)]
		op, r := c.API().Operation(x.operation), request("POST", "/", http.Header{}, body)
		if in, ok := decoded(t, c, op, r, body, x.kind); ok {
			settles(t, c, op, r, in)
		}
	})
}

func FuzzQuery(f *testing.F) {
	targets := []struct {
		codec *wire.Codec
		target
	}{
		{codecOf(f, "sts"), target{"AssumeRole", reflect.TypeFor[sts.AssumeRoleInput]()}},
		{codecOf(f, "iam"), target{"CreateRole", reflect.TypeFor[iam.CreateRoleInput]()}},
		{codecOf(f, "iam"), target{"SimulateCustomPolicy", reflect.TypeFor[iam.SimulateCustomPolicyInput]()}},
	}
	for i, body := range []string{
		"RoleArn=a&RoleSessionName=s&Tags.member.1.Key=k&Tags.member.2.Key=&DurationSeconds=1e3",
		"RoleName=r&MaxSessionDuration=-0&Tags.member.1=x&Tags=", "ContextEntries.member.1.ContextKeyValues.member.1=%00%ff", "DurationSeconds=Infinity",
		"Tags.member.9223372036854775808.Key=k&Tags.member.01.Key=a&Tags.member.1.Key=b&Tags.member.%2B1.Key=c", "a..b=c&.=d&=e", "a;b", "%", "Tags.member=1",
		strings.Repeat("a.", 30) + "=1", strings.Repeat("a=b&", 12000),
	} {
		f.Add(uint8(i), []byte(body))
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		x := targets[int(n)%len(targets)]
		fuzzForm(t, x.codec, x.target, body)
	})
}

// fuzzForm reads a form. What was read can be answered as XML; there is nobody who
// reads that as a request.
func fuzzForm(t *testing.T, c *wire.Codec, x target, body []byte) {
	op := mirror(c.API().Operation(x.operation))
	op.Wrapper = op.Name + "Result"
	in, ok := decoded(t, c, op, request("POST", "/", http.Header{}, body), body, x.kind)
	if !ok {
		return
	}
	res, err := c.Encode(op, in, requestID)
	if err != nil {
		t.Fatal(err)
	}
	if err := wellFormed(res.Body); err != nil {
		t.Fatalf("%v\n%s", err, res.Body)
	}
}

func FuzzEC2(f *testing.F) {
	c := wire.New(machineAPI())
	for _, body := range []string{
		"ImageId=ami-1&DryRun=True&MaxCount=1&Name.1=a&Name.3=b&TagSet.1.Key=k&TagSet.1.Value=v&Since=2026-11-24&Ratio=-1e-400",
		"Ratio=NaN", "Ratio=-Infinity", "Ratio=0x1p-2", "Ratio=1_0", "Ratio=1e999", "MaxCount=2147483648", "Since=1e14", "Since=9999-12-31T23:59:59-14:00", "TagSet=",
		"TagSet.1=&TagSet.1.Key.1.2=x", "Name.1.2.3=x", "DryRun=", "ImageId=%ff%fe", "ImageId=%01%0d",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzForm(t, c, target{"RunMachine", reflect.TypeFor[machine]()}, body)
	})
}

func FuzzRESTJSON(f *testing.F) {
	c := codecOf(f, "ebs")
	kinds := map[string]reflect.Type{}
	for name := range c.API().Operations {
		kinds[name] = inputOf(&ebs.Client{}, name)
	}
	f.Add("POST", "/snapshots", "Content-Type", "application/json", []byte(`{"VolumeSize":1,"Tags":[{"Key":"k"}],"Encrypted":true,"Timeout":1e1}`))
	f.Add("PUT", "/snapshots/s/blocks/007", "x-amz-Data-Length", "NaN", []byte("content"))
	f.Add("PUT", "/snapshots/s/blocks/1", "x-amz-Progress", "99999999999", []byte(nil))
	f.Add("GET", "/snapshots/%2F/blocks?maxResults=1&maxResults=2&pageToken=", "", "", []byte("ignored"))
	f.Add("POST", "/snapshots/completion/s%00", "x-amz-ChangedBlocksCount", "-0", []byte("{"))
	f.Add("POST", "/snapshots", "", "", []byte(`{"Tags":`+strings.Repeat("[", 20000)))
	fuzzREST(f, c, kinds)
}

func FuzzRESTXML(f *testing.F) {
	c := s3Codec(f)
	kinds := map[string]reflect.Type{}
	for name := range c.API().Operations {
		kinds[name] = inputOf(&s3.Client{}, name)
	}
	f.Add("PUT", "/b/k", "x-amz-meta-Name", "\xff", []byte("content"))
	f.Add("PUT", "/b/k?partNumber=1e1&uploadId=u", "Expires", "Thu, 01 Jan 1970 00:00:00 EST", []byte(nil))
	f.Add("GET", "/b?list-type=2&max-keys=9223372036854775808", "x-amz-optional-object-attributes", `a,"b\`, []byte(nil))
	f.Add("PUT", "/b?acl", "", "", []byte(`<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi="n" xsi:type="CanonicalUser"><ID>1</ID></Grantee></Grant></AccessControlList></AccessControlPolicy>`))
	f.Add("POST", "/b?delete", "", "", []byte(`<Delete><Object><Key> a&#xD;</Key><LastModifiedTime>2026-11-24T09:30:15.5Z</LastModifiedTime></Object><Object/><Quiet>true</Quiet></Delete>`))
	f.Add("PUT", "/b?analytics&id=i", "", "", []byte(`<AnalyticsConfiguration><Id>i</Id><Filter><Prefix/></Filter></AnalyticsConfiguration>`))
	f.Add("PUT", "/b?metrics&id=i", "", "", []byte(`<MetricsConfiguration><Filter><Tag/><Prefix/></Filter></MetricsConfiguration>`))
	f.Add("PUT", "/b?lifecycle", "", "", []byte(`<LifecycleConfiguration><Rule><Expiration><Date>1e11</Date><Days>-1</Days></Expiration></Rule></LifecycleConfiguration>`))
	f.Add("PUT", "/b/k?tagging", "", "", []byte(strings.Repeat("<Tagging>", 200)))
	f.Add("PUT", "/b?policy", "", "", []byte("\xff"))
	f.Add("PUT", "/b/k?encryption", "", "", []byte("<ObjectEncryption/>"))
	fuzzREST(f, c, kinds)
}

func fuzzREST(f *testing.F, c *wire.Codec, kinds map[string]reflect.Type) {
	f.Fuzz(func(t *testing.T, method, address, name, value string, body []byte) {
		header := http.Header{}
		if name != "" {
			header.Set(name, value)
		}
		r := request(method, address, header, body)
		if r == nil {
			return
		}
		op := c.Match(r)
		if op == nil {
			return
		}
		if in, ok := decoded(t, c, op, r, body, kinds[op.Name]); ok {
			settles(t, c, op, r, in)
		}
	})
}

// A request of the largest size that the server takes must not cost more than the
// machine has, whatever stands in it.
func TestAMegabyteOfAnythingCostsLittle(t *testing.T) {
	const size, most = 1 << 20, 150 << 20
	tests := []struct {
		name, service, operation, method, target, body string
		into                                           any
	}{
		{"objects", "kms", "CreateKey", "POST", "/", `{"a":[` + strings.Repeat(`{"a":1},`, size/8) + `1]}`, &kms.CreateKeyInput{}},
		{"lists", "kms", "CreateKey", "POST", "/", `{"a":[` + strings.Repeat(`[],`, size/3) + `1]}`, &kms.CreateKeyInput{}},
		{"depth", "kms", "CreateKey", "POST", "/", `{"a":` + strings.Repeat(`[`, size), &kms.CreateKeyInput{}},
		{"tags", "kms", "CreateKey", "POST", "/", `{"Tags":[` + strings.Repeat(`{},`, size/3) + `{}]}`, &kms.CreateKeyInput{}},
		{"dots", "sts", "AssumeRole", "POST", "/", dotted(size), &sts.AssumeRoleInput{}},
		{"names", "sts", "AssumeRole", "POST", "/", strings.Repeat("a&", size/2), &sts.AssumeRoleInput{}},
		{"elements", "s3", "PutObjectTagging", "PUT", "/b/k?tagging", "<Tagging>" + strings.Repeat("<a/>", size/4) + "</Tagging>", &s3.PutObjectTaggingInput{}},
		{"attributes", "s3", "PutObjectTagging", "PUT", "/b/k?tagging", "<Tagging" + strings.Repeat(` a=""`, size/5) + "></Tagging>", &s3.PutObjectTaggingInput{}},
		{"text in pieces", "s3", "PutObjectTagging", "PUT", "/b/k?tagging", "<Tagging>" + strings.Repeat("<!---->x", size/8) + "</Tagging>", &s3.PutObjectTaggingInput{}},
	}
	for _, tt := range tests {
		c := codecOf(t, tt.service)
		r := request(tt.method, tt.target, http.Header{}, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.Decode(c.API().Operation(tt.operation), r, []byte(tt.body), tt.into)
		runtime.ReadMemStats(&after)
		refused(t, c, err)
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Errorf("%s: %d MiB", tt.name, n>>20)
		} else {
			t.Logf("%s: %d MiB, %.60s", tt.name, n>>20, fmt.Sprint(err))
		}
	}
}

// dotted is a form of names that share nothing and are as deep as may be. There
// are no more of them than Go reads.
func dotted(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size && i < 9000; i++ {
		fmt.Fprintf(&b, "%x%s=&", i, strings.Repeat(".aaa", 23))
	}
	return b.String()
}
