package sandbox_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox"
	"github.com/keyreach/keyreach/sandbox/sandboxtest"
)

// A badCall is a request that AWS refuses.
type badCall struct {
	name string
	// make returns the request for a sandbox at an address. It is made late, so that
	// not all large ones are in memory at once.
	make func(at string) *http.Request
	// codes are those with which it may be refused; none for any.
	codes []string
}

const badAccount = "111122223333"

// rootHead is an Authorization header of the account's root user, whose signature
// counts for nothing.
func rootHead(service string) string {
	day := time.Now().UTC().Format("20060102")
	return "AWS4-HMAC-SHA256 Credential=" + badAccount + "/" + day + "/us-east-1/" + service + "/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
}

func rawCall(at, method, query, service, kind, target, body string) *http.Request {
	r, err := http.NewRequest(method, at+"/"+query, strings.NewReader(body))
	if err != nil {
		panic(err) // the addresses of these tests are fine
	}
	r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	r.Header.Set("Authorization", rootHead(service))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	return r
}

const jsonKind, formKind = "application/x-amz-json-1.1", "application/x-www-form-urlencoded"

// jsonCall is a call of the json protocol with a body of its own.
func jsonCall(service, operation, body string) func(string) *http.Request {
	api, _ := awsfacts.LookupAPI(service)
	return func(at string) *http.Request {
		return rawCall(at, http.MethodPost, "", api.SigningName, jsonKind, api.TargetPrefix+"."+operation, body)
	}
}

// formCall is a call of the query protocol.
func formCall(service, operation, params string) func(string) *http.Request {
	api, _ := awsfacts.LookupAPI(service)
	return func(at string) *http.Request {
		body := "Action=" + operation + "&Version=" + api.Version
		if params != "" {
			body += "&" + params
		}
		return rawCall(at, http.MethodPost, "", api.SigningName, formKind, "", body)
	}
}

// changed is a call with something about it changed.
func changed(call func(string) *http.Request, change func(*http.Request)) func(string) *http.Request {
	return func(at string) *http.Request {
		r := call(at)
		change(r)
		return r
	}
}

const listKeys = "ListKeys"

// wholeCalls are requests that AWS takes, to be cut off.
var wholeCalls = map[string]string{
	"CreateKey":       `{"Description":"d","Tags":[{"TagKey":"a","TagValue":"b"}],"MultiRegion":false,"KeySpec":"SYMMETRIC_DEFAULT"}`,
	"Encrypt":         `{"KeyId":"alias/a","Plaintext":"aGVsbG8=","EncryptionContext":{"a":"b","c":"d"}}`,
	"CreateGrant":     `{"KeyId":"1","GranteePrincipal":"arn:aws:iam::111122223333:root","Operations":["Decrypt","Encrypt"],"Constraints":{"EncryptionContextSubset":{"a":"b"}}}`,
	"PutKeyPolicy":    `{"KeyId":"1","PolicyName":"default","Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}`,
	"GenerateDataKey": `{"KeyId":"alias/a","NumberOfBytes":32,"GrantTokens":["a","b"]}`,
	listKeys:          `{"Limit":10,"Marker":"abc"}`,
}

func cutOff() (list []badCall) {
	for op, whole := range wholeCalls {
		for at := 1; at < len(whole); at += 4 {
			list = append(list, badCall{fmt.Sprintf("%s cut off after %d bytes", op, at), jsonCall("kms", op, whole[:at]), []string{"SerializationException"}})
		}
		for _, more := range []string{"}", "{}", ",", "x", "[]", whole} {
			list = append(list, badCall{op + " with more after it", jsonCall("kms", op, whole+more), []string{"SerializationException"}})
		}
	}
	for _, body := range []string{"[]", "7", `"text"`, "true", "<xml/>", "Action=ListKeys", "{'Limit':1}", "{Limit:1}", `{"Limit":01}`, `{"Limit":+1}`, `{"Limit":NaN}`, "\x00", "{\x00}", `{"Marker":"` + "\x00" + `"}`, `{"Marker":"` + "\n" + `"}`, "\xef\xbb\xbf{}"} {
		list = append(list, badCall{fmt.Sprintf("%q as a body", body), jsonCall("kms", listKeys, body), []string{"SerializationException"}})
	}
	return list
}

// wrongly are JSON values that do not fit a type.
var wrongly = map[string][]string{
	"string":    {"true", "7", "[]", "{}"},
	"integer":   {`"x"`, "true", "[]", "{}", "1.5", "1e400", "99999999999999999999", "-99999999999999999999", "2147483648", "-2147483649"},
	"long":      {`"x"`, "true", "[]", "{}", "1.5", "1e400", "99999999999999999999"},
	"boolean":   {`"true"`, "0", "[]", "{}"},
	"blob":      {"7", "true", "[]", `"*"`, `"a"`, `"ab="`, `"===="`, `"aGVsbG8"`, `"aGVs bG8="`},
	"timestamp": {`"yesterday"`, "true", "[]", `"2026-13-01T00:00:00Z"`, "1e300", "-1e300"},
	"list":      {"{}", `"x"`, "7", "true", "[[[]]]"},
	"map":       {"[]", `"x"`, "7", `{"a":{}}`, `{"a":[]}`, `{"a":7}`},
	"structure": {"[]", `"x"`, "7", "true"},
}

// wrongTypes puts values of a wrong type into every member of every operation of
// the json services.
func wrongTypes() (list []badCall) {
	for _, service := range []string{"kms", "organizations", "cloudtrail"} {
		api, _ := awsfacts.LookupAPI(service)
		for _, name := range slices.Sorted(maps.Keys(api.Operations)) {
			op := api.Operations[name]
			if op.Input == nil {
				continue
			}
			for _, m := range op.Input.Members {
				for _, value := range wrongly[m.Shape.Type] {
					if m.Shape.Type == "list" && m.Shape.Elem.Shape.Type == "list" && value == "[[[]]]" {
						continue // is right
					}
					call := jsonCall(service, name, `{"`+m.Name+`":`+value+`}`)
					list = append(list, badCall{service + ":" + name + " with " + value + " as " + m.Name, call, []string{"SerializationException", "ValidationException", "NotImplemented"}})
				}
			}
		}
	}
	return list
}

// lacking leaves out what operations need, and gives forms values of wrong types.
func lacking() (list []badCall) {
	for _, service := range []string{"kms", "organizations", "cloudtrail", "iam", "sts"} {
		api, _ := awsfacts.LookupAPI(service)
		for _, name := range slices.Sorted(maps.Keys(api.Operations)) {
			op := api.Operations[name]
			if op.Input == nil {
				continue
			}
			needs := slices.ContainsFunc(op.Input.Members, func(m *awsfacts.Member) bool { return m.Required })
			if needs && api.Protocol == "json" {
				list = append(list, badCall{service + ":" + name + " with nothing", jsonCall(service, name, "{}"), []string{"ValidationException", "NotImplemented"}})
			} else if needs {
				list = append(list, badCall{service + ":" + name + " with nothing", formCall(service, name, ""), []string{"ValidationError", "NotImplemented"}})
			}
			if api.Protocol == "query" {
				list = append(list, wrongForms(service, name, op.Input)...)
			}
		}
	}
	return list
}

func wrongForms(service, name string, input *awsfacts.Shape) (list []badCall) {
	for _, m := range input.Members {
		var values []string
		switch m.Shape.Type {
		case "integer":
			values = []string{"x", "", "1.5", "99999999999999999999", "2147483648", "0x10"}
		case "boolean":
			values = []string{"x", "", "1", "yes"}
		case "timestamp":
			values = []string{"yesterday", "2026-13-01T00:00:00Z"}
		}
		for _, v := range values {
			list = append(list, badCall{service + ":" + name + " with " + v + " as " + m.Name, formCall(service, name, m.Wire()+"="+v), []string{"MalformedInput", "ValidationError", "NotImplemented"}})
		}
	}
	return list
}

// large are requests with huge parts, most of them below the size at which a request
// is cut off.
func large() (list []badCall) {
	text := strings.Repeat("x", 1_000_000)
	items := strings.TrimSuffix(strings.Repeat(`"a",`, 100_000), ",")
	nested := func(open, end string) string { return strings.Repeat(open, 10_000) + strings.Repeat(end, 10_000) }
	add := func(name string, call func(string) *http.Request, codes ...string) {
		list = append(list, badCall{name, call, codes})
	}
	for op, member := range map[string]string{"DescribeKey": "KeyId", "CreateKey": "Description", "ListKeys": "Marker", "ListAliases": "KeyId", "GetKeyPolicy": "KeyId", "Decrypt": "KeyId"} {
		add(op+" with a megabyte as "+member, jsonCall("kms", op, `{"`+member+`":"`+text+`"}`), "ValidationException")
	}
	add("a megabyte as a policy", jsonCall("kms", "PutKeyPolicy", `{"KeyId":"1","Policy":"`+text+`"}`), "ValidationException")
	add("a megabyte as an alias", jsonCall("kms", "CreateAlias", `{"AliasName":"`+text+`","TargetKeyId":"1"}`), "ValidationException")
	add("a megabyte as a ciphertext", jsonCall("kms", "Decrypt", `{"CiphertextBlob":"`+text+`"}`), "ValidationException")
	add("a megabyte as a context", jsonCall("kms", "Encrypt", `{"KeyId":"1","Plaintext":"aa==","EncryptionContext":{"`+text+`":""}}`))
	add("100,000 grant tokens", jsonCall("kms", "DescribeKey", `{"KeyId":"1","GrantTokens":[`+items+`]}`), "ValidationException")
	add("100,000 empty grant tokens", jsonCall("kms", "DescribeKey", `{"KeyId":"1","GrantTokens":[`+strings.ReplaceAll(items, "a", "")+`]}`), "ValidationException")
	add("100,000 grant operations", jsonCall("kms", "CreateGrant", `{"KeyId":"1","GranteePrincipal":"x","Operations":[`+items+`]}`), "ValidationException")
	add("100,000 numbers for tags", jsonCall("kms", "CreateKey", `{"Tags":[`+strings.ReplaceAll(items, `"a"`, "1")+`]}`), "SerializationException")
	add("100,000 empty tags", jsonCall("kms", "CreateKey", `{"Tags":[`+strings.ReplaceAll(items, `"a"`, "{}")+`]}`), "ValidationException")
	for _, deep := range []string{nested("[", "]"), nested(`{"a":`, "}"), nested(`[{"Tags":`, "}]"), nested("[", "")} {
		add("values 10,000 deep", jsonCall("kms", "CreateKey", `{"Tags":`+deep+`}`), "SerializationException")
		add("an unknown member 10,000 deep", jsonCall("kms", "DescribeKey", `{"Unknown":`+deep+`}`), "SerializationException", "ValidationException")
	}
	add("a policy 10,000 deep", jsonCall("kms", "CreateKey", `{"Policy":"`+nested("[", "]")+`"}`), "MalformedPolicyDocumentException")
	add("conditions 3,000 deep", jsonCall("kms", "CreateKey", `{"Policy":"{\"Statement\":{\"Condition\":`+strings.Repeat(`{\"a\":`, 3000)+"1"+strings.Repeat("}", 3000)+`}}"}`), "MalformedPolicyDocumentException")
	add("100,000 parameters", formCall("iam", "CreateUser", strings.TrimSuffix(strings.Repeat("a=b&", 100_000), "&")), "MalformedInput")
	add("9,000 tags", formCall("iam", "CreateUser", "UserName=u"+many(9_000, "&Tags.member.%d.Key=k")), "ValidationError")
	add("9,000 elements of a list", formCall("iam", "SimulateCustomPolicy", "ActionNames.member.1=a"+many(9_000, "&PolicyInputList.member.%d=")), "ValidationError")
	add("a parameter name 10,000 deep", formCall("iam", "CreateUser", "Tags"+strings.Repeat(".member.1", 10_000)+"=x"), "MalformedInput")
	add("a megabyte as a name", formCall("iam", "CreateUser", "UserName="+text), "ValidationError")
	add("a megabyte as a policy of IAM", formCall("iam", "CreatePolicy", "PolicyName=p&PolicyDocument="+text), "ValidationError")
	add("a megabyte as a role", formCall("sts", "AssumeRole", "RoleSessionName=s&RoleArn="+text), "ValidationError")
	for _, n := range []int{1<<20 + 1, 2 << 20, 20 << 20} {
		add(fmt.Sprintf("%d bytes", n), func(at string) *http.Request { return jsonCall("kms", listKeys, strings.Repeat(" ", n))(at) }, "RequestEntityTooLarge")
		add(fmt.Sprintf("%d bytes without their number", n), changed(jsonCall("kms", listKeys, ""), func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(io.LimitReader(spaces{}, int64(n))), -1
		}), "RequestEntityTooLarge")
	}
	return list
}

func many(n int, form string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, form, i+1)
	}
	return b.String()
}

// spaces reads as spaces without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// misdirected are requests that do not say rightly what they want, or in which
// protocol.
func misdirected() (list []badCall) {
	add := func(name string, call func(string) *http.Request, codes ...string) {
		list = append(list, badCall{name, call, codes})
	}
	list1 := jsonCall("kms", listKeys, "{}")
	for _, target := range []string{"", "TrentService", "TrentService.", ".ListKeys", ".", "TrentService.listkeys", "TrentService.List/Keys", "trentservice.ListKeys", "NoService.ListKeys", "TrentService.ListKeys.x", "kms.ListKeys", strings.Repeat("x", 5000) + ".ListKeys", "TrentService.Nothing", "TrentService.日本"} {
		add(fmt.Sprintf("%.30q as target", target), changed(list1, func(r *http.Request) { r.Header.Set("X-Amz-Target", target) }), "UnknownOperationException")
	}
	add("two targets", changed(list1, func(r *http.Request) { r.Header.Add("X-Amz-Target", "TrentService.CreateKey") }), "UnknownOperationException")
	add("no target", changed(list1, func(r *http.Request) { r.Header.Del("X-Amz-Target") }), "UnknownOperationException")
	for _, kind := range []string{"", "text/plain", "application/json", "text/xml", formKind, "application/x-amz-json-2.0", "application/x-amz-json-1.1;;", ";", "multipart/form-data", "*/*"} {
		add(fmt.Sprintf("%q as content type", kind), changed(list1, func(r *http.Request) { r.Header["Content-Type"] = []string{kind} }), "UnknownOperationException")
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodHead, "PROPFIND"} {
		add(method+" of the json protocol", changed(list1, func(r *http.Request) { r.Method = method }), "UnknownOperationException")
		if method != http.MethodGet {
			add(method+" of the query protocol", changed(formCall("iam", "ListUsers", ""), func(r *http.Request) {
				r.Method, r.URL.RawQuery = method, "Action=ListUsers&Version=2010-05-08"
			}), "InvalidAction", "MissingAction")
		}
		add(method+" of nothing", func(at string) *http.Request { return rawCall(at, method, "", "kms", "", "", "") }, "UnknownOperationException")
	}
	for _, form := range []string{
		"", "Action=", "Version=2010-05-08", "Action=ListUsers", "Action=ListUsers&Version=", "Action=ListUsers&Version=2010-05-09", "Action=ListUsers&Version=2014-11-01", "Action=listusers&Version=2010-05-08",
		"Action=ListUsers&Version=2011-06-15", "Action=GetCallerIdentity&Version=2010-05-08", "Action=%zz&Version=2010-05-08", "Action=Nothing&Version=2010-05-08", "action=ListUsers&version=2010-05-08", "Action.1=ListUsers&Version=2010-05-08", "Action=List%00Users&Version=2010-05-08",
	} {
		add(fmt.Sprintf("%q as a form", form), func(at string) *http.Request { return rawCall(at, http.MethodPost, "", "iam", formKind, "", form) }, "InvalidAction", "MissingAction")
	}
	for _, origin := range []string{"http://evil.example", "null", "http://127.0.0.1:4599"} {
		add("a web page of "+origin, changed(list1, func(r *http.Request) { r.Header.Set("Origin", origin) }), "AccessDeniedException")
	}
	add("a web page whose name leads here", changed(list1, func(r *http.Request) { r.Host = "evil.example:4599" }), "AccessDeniedException")
	for _, site := range []string{"cross-site", "same-site", "same-origin"} {
		add("a web page, "+site, changed(list1, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }), "AccessDeniedException")
	}
	return append(list, notOffered()...)
}

// notOffered are the operations of AWS that the sandbox has not.
func notOffered() (list []badCall) {
	for _, name := range []string{"CreateCustomKeyStore", "ConnectCustomKeyStore", "DeleteCustomKeyStore", "DescribeCustomKeyStores", "DisconnectCustomKeyStore", "UpdateCustomKeyStore"} {
		list = append(list, badCall{name + ", which is not offered", jsonCall("kms", name, "{}"), []string{"NotImplemented"}})
	}
	for _, name := range []string{"CreateSAMLProvider", "UploadServerCertificate", "CreateVirtualMFADevice"} {
		list = append(list, badCall{name + ", which is not offered", formCall("iam", name, ""), []string{"NotImplemented"}})
	}
	return append(list, badCall{"AssumeRoleWithSAML, which is not offered", formCall("sts", "AssumeRoleWithSAML", ""), []string{"NotImplemented"}})
}

// wrongText are texts that are no UTF-8, that hold NUL, or that are no ARN, key,
// policy or name.
func wrongText() (list []badCall) {
	add := func(name string, call func(string) *http.Request, codes ...string) {
		list = append(list, badCall{name, call, codes})
	}
	for _, bad := range []string{"\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80b", "\xc0\xaf"} {
		add(fmt.Sprintf("%q in JSON", bad), jsonCall("kms", "CreateKey", `{"Description":"`+bad+`"}`), "SerializationException")
		add(fmt.Sprintf("%q in a form", bad), formCall("iam", "CreateUser", "UserName="+bad), "MalformedInput")
		add(fmt.Sprintf("%q in a form, escaped", bad), formCall("iam", "CreateUser", "Path=/&UserName="+url.QueryEscape(bad)), "MalformedInput")
		add(fmt.Sprintf("%q as the name of a parameter", bad), formCall("iam", "CreateUser", url.QueryEscape(bad)+"=x&UserName=u"), "MalformedInput")
	}
	for _, id := range []string{"", " ", "1", "alias", "alias/", "alias/none", "alias/a\\u0000b", "\\u0000", "arn:", "arn:aws:kms", "arn:aws:kms:us-east-1:111122223333:key", "arn:aws:kms:us-east-1:111122223333:key/", "arn:aws:kms:us-east-1:111122223333:key/a\\u0000b", "arn:aws:kms:us-east-1:111122223333\\u0000x:key/a", "arn:aws:kms:us-west-2:111122223333:key/1", "arn:aws:kms:us-east-1::key/1", "arn:aws:s3:::b", "arn:aws-cn:kms:us-east-1:111122223333:key/1", "arn:aws:kms:us-east-1:111122223333:alias/none", "12345678-1234-1234-1234-123456789012", "mrk-00000000000000000000000000000000", "../../etc/passwd", "%00", "日本"} {
		for _, op := range []string{"DescribeKey", "DisableKey", "ListGrants"} {
			add(fmt.Sprintf("%s of %q", op, id), jsonCall("kms", op, `{"KeyId":"`+id+`"}`), "NotFoundException", "ValidationException", "AccessDeniedException")
		}
	}
	for _, document := range []string{"", "x", "{", "[]", "{}", "null", `{\"Statement\":7}`, `{\"Statement\":[7]}`, `{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Maybe\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}`, `{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"nobody\"},\"Action\":\"*\",\"Resource\":\"*\"}]}`, `{\"Statement\":[],\"Statement\":[]}`, "\\u0000"} {
		add("a key policy of "+document, jsonCall("kms", "CreateKey", `{"Policy":"`+document+`"}`), "MalformedPolicyDocumentException", "ValidationException")
		plain := url.QueryEscape(strings.ReplaceAll(document, `\"`, `"`))
		add("a policy of "+document, formCall("iam", "CreatePolicy", "PolicyName=p&PolicyDocument="+plain), "MalformedPolicyDocument", "ValidationError")
	}
	for _, name := range []string{"", "a b", "a/b", "a%00b", "%0A", "a:b", "*", "a%2525", strings.Repeat("a", 65)} {
		add("a user "+name, formCall("iam", "CreateUser", "UserName="+name), "ValidationError")
		add("a role "+name, formCall("iam", "GetRole", "RoleName="+name), "ValidationError")
	}
	for _, blob := range []string{"YQ==", "AQICAA==", "AQICA" + strings.Repeat("A", 199), strings.Repeat("/", 204)} {
		add("a ciphertext of "+blob, jsonCall("kms", "Decrypt", `{"CiphertextBlob":"`+blob+`"}`), "InvalidCiphertextException", "ValidationException", "AccessDeniedException")
	}
	for op, bodies := range map[string][]string{
		"GenerateRandom":      {`{"NumberOfBytes":0}`, `{"NumberOfBytes":-1}`, `{"NumberOfBytes":1025}`},
		"ListKeys":            {`{"Limit":0}`, `{"Limit":-5}`, `{"Limit":1001}`, `{"Marker":"*"}`, `{"Marker":"LTE"}`, `{"Marker":"OTk5OTk5OTk5OTk5OTk5OTk5OTk"}`},
		"ScheduleKeyDeletion": {`{"KeyId":"1","PendingWindowInDays":0}`, `{"KeyId":"1","PendingWindowInDays":400}`},
	} {
		for _, body := range bodies {
			add(op+" of "+body, jsonCall("kms", op, body))
		}
	}
	return list
}

// misSigned are requests by a user of IAM, whose signatures count, with something
// wrong about them.
func misSigned(user aws.Credentials) (list []badCall) {
	type form struct {
		name, service string
		call          func(string) *http.Request
	}
	for _, f := range []form{
		{"ListKeys", "kms", jsonCall("kms", listKeys, "{}")}, {"ListUsers", "iam", formCall("iam", "ListUsers", "")}, {"GetCallerIdentity", "sts", formCall("sts", "GetCallerIdentity", "")},
	} {
		for name, wrong := range brokenSignatures(user, f.service) {
			list = append(list, badCall{f.name + " with " + name, changed(f.call, wrong), nil})
		}
	}
	return list
}

func brokenSignatures(user aws.Credentials, service string) map[string]func(*http.Request) {
	now := time.Now()
	by := func(c aws.Credentials, service, region string, at time.Time) func(*http.Request) {
		return func(r *http.Request) { signFor(r, c, service, region, at) }
	}
	right := by(user, service, "us-east-1", now)
	then := func(change func(*http.Request)) func(*http.Request) {
		return func(r *http.Request) { right(r); change(r) }
	}
	head := func(from, to string) func(*http.Request) {
		return then(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
		})
	}
	other, token, nobody := user, user, user
	other.SecretAccessKey += "x"
	token.SessionToken = "token"
	nobody.AccessKeyID = "AKIAIOSFODNN7EXAMPLE"
	all := map[string]func(*http.Request){
		"a wrong secret":          by(other, service, "us-east-1", now),
		"a token that is none":    by(token, service, "us-east-1", now),
		"a key that nobody has":   by(nobody, service, "us-east-1", now),
		"another service":         by(user, "s3", "us-east-1", now),
		"a service that is none":  by(user, "x y", "us-east-1", now),
		"an old signature":        by(user, service, "us-east-1", now.Add(-time.Hour)),
		"a signature of tomorrow": by(user, service, "us-east-1", now.Add(24*time.Hour)),
		"another body":            then(func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{} ")), 3 }),
		"another date": then(func(r *http.Request) {
			r.Header.Set("X-Amz-Date", now.UTC().Add(time.Second).Format("20060102T150405Z"))
		}),
		"a header more":        then(func(r *http.Request) { r.Header.Set("X-Amz-More", "x") }),
		"a signed header gone": then(func(r *http.Request) { r.Header.Del("X-Amz-Date") }),
		"a parameter more":     then(func(r *http.Request) { r.URL.RawQuery += "&x=y" }),
		"another path":         then(func(r *http.Request) { r.URL.Path = "/x" }),
		"another host":         then(func(r *http.Request) { r.Host = "kms.us-east-1.amazonaws.com" }),
		"no signature":         then(func(r *http.Request) { r.Header.Del("Authorization") }),
		"two signatures":       then(func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }),
		"the host not signed":  head("host;", ""),
		"no signed headers":    head("SignedHeaders=", "Signed="),
		"no credential":        head("Credential=", "Cred="),
		"an empty signature": then(func(r *http.Request) {
			h := r.Header.Get("Authorization")
			r.Header.Set("Authorization", h[:len(h)-64])
		}),
		"half a signature": then(func(r *http.Request) {
			h := r.Header.Get("Authorization")
			r.Header.Set("Authorization", h[:len(h)-32])
		}),
		"another algorithm":        head("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
		"signature version 2":      then(func(r *http.Request) { r.Header.Set("Authorization", "AWS AKIA:x=") }),
		"a bearer":                 then(func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }),
		"an end that is none":      head("aws4_request", "aws_request"),
		"a short scope":            head("/us-east-1", ""),
		"an empty presigned query": then(func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "X-Amz-Algorithm=" }),
		"a presigned query of that": then(func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256"
		}),
		"a payload hash of another one": then(func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64)) }),
	}
	for _, region := range []string{"us-esat-1", "US-EAST-1", "moon-1", "us-east-1a", "*", "global", "us east 1"} {
		all["the Region "+region] = by(user, service, region, now)
	}
	return all
}

// signFor signs a request as the SDK does.
func signFor(r *http.Request, c aws.Credentials, service, region string, at time.Time) {
	body, err := r.GetBody()
	if err != nil {
		panic(err) // a reader of memory
	}
	hash := sha256.New()
	_, _ = io.Copy(hash, body) // from memory
	r.Header.Del("Authorization")
	if err := v4.NewSigner().SignHTTP(r.Context(), c, r, hex.EncodeToString(hash.Sum(nil)), service, region, at); err != nil {
		panic(err) // the requests of these tests can be signed
	}
}

// presignedBad are presigned queries with NUL and other things in their scopes, which
// headers cannot hold.
func presignedBad() (list []badCall) {
	now := time.Now().UTC()
	for _, scope := range []string{"/us-east-1%00x/sts/", "/us-east-1/sts%00/", "/%FF/sts/", "/../sts/", "/us-east-1/kms/", "//sts/"} {
		list = append(list, badCall{"a presigned query for " + scope, func(at string) *http.Request {
			credential := badAccount + "/" + now.Format("20060102") + strings.ReplaceAll(scope, "%", "%25") + "aws4_request"
			q := "?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + strings.ReplaceAll(credential, "%25", "%") + "&X-Amz-Date=" + now.Format("20060102T150405Z") + "&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
			r := rawCall(at, http.MethodGet, q, "sts", "", "", "")
			r.Header.Del("Authorization")
			return r
		}, []string{"SignatureDoesNotMatch", "IncompleteSignature"}})
	}
	return list
}

// watched is a server whose panics are counted.
type watched struct {
	*httptest.Server
	s      *sandbox.Sandbox
	panics *panicLog
}

// panicLog keeps what a server logs.
type panicLog struct {
	n    atomic.Int64
	text atomic.Value
}

func (p *panicLog) Write(b []byte) (int, error) {
	p.n.Add(1)
	p.text.Store(string(b))
	return len(b), nil
}

func watch(t testing.TB, o sandbox.Options) *watched {
	t.Helper()
	s, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{s: s, panics: &panicLog{}, Server: httptest.NewUnstartedServer(s)}
	w.Config.ErrorLog = log.New(w.panics, "", 0)
	w.Start()
	t.Cleanup(func() {
		w.Close()
		_ = s.Close() // it has no file
	})
	return w
}

func (w *watched) config(accessKeyID, secret string) aws.Config {
	return aws.Config{Region: "us-east-1", BaseEndpoint: &w.URL, HTTPClient: sandboxtest.Steady(w.Client()), RetryMaxAttempts: 1, Credentials: credentials.NewStaticCredentialsProvider(accessKeyID, secret, "")}
}

// peakMemory is how much of the heap is in use at most until it is asked.
func peakMemory() (most func() uint64) {
	done, answer := make(chan struct{}), make(chan uint64)
	go func() {
		var m runtime.MemStats
		var peak uint64
		for tick := time.NewTicker(2 * time.Millisecond); ; {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-done:
				tick.Stop()
				answer <- peak
				return
			case <-tick.C:
			}
		}
	}()
	return func() uint64 { close(done); return <-answer }
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

const mostMemory = 128 << 20

// Not parallel: it measures the memory of the process.
func TestBadRequestsAreRefusedInAWSsForm(t *testing.T) {
	w := watch(t, sandbox.Options{})
	root := iam.NewFromConfig(w.config(badAccount, "any"))
	need(root.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("u")}))(t)
	key := need(root.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: new("u")}))(t).AccessKey
	user := aws.Credentials{AccessKeyID: *key.AccessKeyId, SecretAccessKey: *key.SecretAccessKey}

	before, n, largest := heap(), 0, 0
	peak := peakMemory()
	began := time.Now()
	for _, kind := range []struct {
		name string
		list []badCall
	}{
		{"cut off", cutOff()}, {"of wrong types", wrongTypes()}, {"lacking something", lacking()}, {"large", large()}, {"misdirected", misdirected()},
		{"with wrong texts", wrongText()}, {"with wrong signatures", misSigned(user)}, {"with wrong scopes", presignedBad()},
	} {
		for i := range kind.list {
			largest = max(largest, w.refuses(t, &kind.list[i]))
		}
		n += len(kind.list)
		t.Logf("%4d requests %s", len(kind.list), kind.name)
	}
	took := time.Since(began)
	most, after := peak(), heap()
	t.Logf("%d bad requests in %v; the largest answer has %d bytes; heap %d MiB before, %d MiB at most, %d MiB after", n, took.Round(time.Millisecond), largest, before>>20, most>>20, after>>20)
	if n < 500 {
		t.Errorf("only %d requests", n)
	}
	if most > mostMemory || after > before+mostMemory/2 {
		t.Errorf("the heap had %d MiB at most, and %d MiB more after than before", most>>20, (after-before)>>20)
	}
	if n := w.panics.n.Load(); n != 0 {
		t.Errorf("the server logged %d times, the last: %s", n, w.panics.text.Load())
	}
	if _, err := root.GetUser(t.Context(), &iam.GetUserInput{UserName: new("u")}); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// refuses makes a bad call and checks the answer. It returns its size.
func (w *watched) refuses(t *testing.T, c *badCall) int {
	t.Helper()
	r := c.make(w.URL)
	method := r.Method
	res, err := w.Client().Do(r)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
	if why := refusalFault(res, body, method, c.codes); why != "" {
		t.Errorf("%s: %s\n%d %.500s", c.name, why, res.StatusCode, body)
	}
	return len(body)
}

// refusalFault says what is amiss about an answer that ought to refuse, or nothing.
func refusalFault(res *http.Response, body []byte, method string, codes []string) string {
	id := res.Header.Get("X-Amzn-Requestid")
	switch {
	case res.StatusCode < 400 || res.StatusCode >= 500 && res.StatusCode != http.StatusNotImplemented:
		return "it is not refused"
	case id == "":
		return "there is no request id"
	case method == http.MethodHead:
		return ""
	}
	code, why := codeIn(res.Header.Get("Content-Type"), body, id)
	if why != "" {
		return why
	}
	if (code == "NotImplemented") != (res.StatusCode == http.StatusNotImplemented) {
		return "501 is for what is not implemented only"
	}
	if len(codes) > 0 && !slices.Contains(codes, code) {
		return "want " + strings.Join(codes, " or ")
	}
	return ""
}

func codeIn(kind string, body []byte, id string) (code, why string) {
	switch {
	case strings.HasPrefix(kind, "application/x-amz-json-"):
		var e struct {
			Type    string  `json:"__type"`
			Message *string `json:"message"`
		}
		if err := json.Unmarshal(body, &e); err != nil || e.Type == "" || e.Message == nil {
			return "", "it is no error of the json protocol"
		}
		return e.Type, ""
	case strings.HasPrefix(kind, "text/xml"):
		var e struct {
			XMLName xml.Name `xml:"ErrorResponse"`
			Error   struct{ Type, Code, Message string }
			ID      string `xml:"RequestId"`
		}
		if err := xml.Unmarshal(body, &e); err != nil || e.Error.Code == "" || e.Error.Type == "" || e.ID != id {
			return "", "it is no error of the query protocol"
		}
		return e.Error.Code, ""
	}
	return "", "its content type is " + kind
}

// What looks odd and is right.
func TestAPresignedCallToSTSIsTaken(t *testing.T) {
	t.Parallel()
	w := watch(t, sandbox.Options{})
	root := iam.NewFromConfig(w.config(badAccount, "any"))
	need(root.CreateUser(t.Context(), &iam.CreateUserInput{UserName: new("u")}))(t)
	key := need(root.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: new("u")}))(t).AccessKey
	c := sts.NewPresignClient(sts.NewFromConfig(w.config(*key.AccessKeyId, *key.SecretAccessKey)))

	get := func(target string) (int, string) {
		res, err := w.Client().Get(target)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	p := need(c.PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	if status, body := get(p.URL); status != http.StatusOK || !strings.Contains(body, "arn:aws:iam::"+badAccount+":user/u") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := get(p.URL + "0"); status != http.StatusForbidden || !strings.Contains(body, "SignatureDoesNotMatch") {
		t.Errorf("another signature: %d %s", status, body)
	}
	// The parameters of a call stand in the query as well.
	p = need(c.PresignAssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: new("arn:aws:iam::444455556666:role/r"), RoleSessionName: new("session")}))(t)
	if status, body := get(p.URL); status != http.StatusForbidden || !strings.Contains(body, "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/r") {
		t.Errorf("%d %s", status, body)
	}
}

// Whatever the body, the sandbox refuses it or does it, and fails at nothing.
func FuzzServe(f *testing.F) {
	for op, body := range wholeCalls {
		f.Add(uint8(0), op, []byte(body))
	}
	f.Add(uint8(1), "CreateUser", []byte("&UserName=u&Tags.member.1.Key=k&Tags.member.1.Value=v"))
	f.Add(uint8(1), "CreatePolicy", []byte(`&PolicyName=p&PolicyDocument={"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`))
	f.Add(uint8(2), "AssumeRole", []byte("&RoleArn=arn:aws:iam::111122223333:role/r&RoleSessionName=s"))
	f.Add(uint8(3), "CreatePolicy", []byte(`{"Name":"p","Description":"","Type":"SERVICE_CONTROL_POLICY","Content":"{}"}`))
	f.Add(uint8(4), "LookupEvents", []byte(`{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"x"}],"StartTime":1}`))
	f.Add(uint8(0), "ReplicateKey", []byte(`{"KeyId":"arn:aws:kms:us-east-1:444455556666:key/mrk-00000000000000000000000000000000","ReplicaRegion":"us-west-2"}`))
	s, err := sandbox.New(sandbox.Options{Seed: 1})
	if err != nil {
		f.Fatal(err)
	}
	// A key and a role, so that calls come further than to what there is not.
	for _, set := range []func(string) *http.Request{
		jsonCall("kms", "CreateKey", `{"MultiRegion":true}`),
		formCall("iam", "CreateRole", "RoleName=r&AssumeRolePolicyDocument="+url.QueryEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}`)),
	} {
		s.ServeHTTP(httptest.NewRecorder(), set("http://127.0.0.1"))
	}
	list := httptest.NewRecorder()
	s.ServeHTTP(list, jsonCall("kms", listKeys, "{}")("http://127.0.0.1"))
	id := regexp.MustCompile(`mrk-[0-9a-f]{32}`).FindString(list.Body.String())
	f.Add(uint8(0), "CreateAlias", []byte(`{"AliasName":"alias/a","TargetKeyId":"`+id+`"}`))
	f.Add(uint8(0), "ReplicateKey", []byte(`{"KeyId":"`+id+`","ReplicaRegion":"us-west-2"}`))
	f.Add(uint8(0), "GenerateDataKeyPair", []byte(`{"KeyId":"`+id+`","KeyPairSpec":"ECC_NIST_P256"}`))
	f.Add(uint8(1), "PutRolePolicy", []byte(`&RoleName=r&PolicyName=p&PolicyDocument={"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`))
	services := []string{"kms", "iam", "sts", "organizations", "cloudtrail"}
	f.Fuzz(func(t *testing.T, at uint8, operation string, body []byte) {
		api, _ := awsfacts.LookupAPI(services[int(at)%len(services)])
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
		r.Header.Set("Authorization", rootHead(api.SigningName))
		r.Header.Set("Content-Type", jsonKind)
		if api.Protocol == "json" {
			r.Header.Set("X-Amz-Target", api.TargetPrefix+"."+operation)
		} else {
			r.Header.Set("Content-Type", formKind)
			body = append([]byte("Action="+url.QueryEscape(operation)+"&Version="+api.Version), body...)
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Fatalf("%s:%s %q: %d %s", api.Service, operation, body, w.Code, w.Body)
		}
		if w.Code >= 400 {
			if why := refusalFault(w.Result(), w.Body.Bytes(), r.Method, nil); why != "" {
				t.Fatalf("%s:%s %q: %s: %s", api.Service, operation, body, why, w.Body)
			}
		}
	})
}
