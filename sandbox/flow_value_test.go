package sandbox_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secpecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	kwp "github.com/tink-crypto/tink-go/v2/kwp/subtle"
)

var variable = regexp.MustCompile(`\$\{([^}]+)\}`)

// value fills in the variables of a value and computes its functions.
func (r *flowRun) value(v any) any {
	switch v := v.(type) {
	case string:
		if m := variable.FindStringSubmatch(v); m != nil && m[0] == v {
			return r.lookup(m[1])
		}
		return variable.ReplaceAllStringFunc(v, func(s string) string { return fmt.Sprint(r.lookup(s[2 : len(s)-1])) })
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.value(v[i])
		}
		return out
	case map[string]any:
		if len(v) == 1 {
			for name, arg := range v {
				if strings.HasPrefix(name, "$") {
					return r.function(name, arg)
				}
			}
		}
		out := make(map[string]any, len(v))
		for k, item := range v {
			name, _ := r.value(k).(string)
			out[name] = r.value(item)
		}
		return out
	}
	return v
}

// pattern fills in the variables of a regular expression, to the letter.
func (r *flowRun) pattern(p string) string {
	return variable.ReplaceAllStringFunc(p, func(s string) string { return regexp.QuoteMeta(fmt.Sprint(r.lookup(s[2 : len(s)-1]))) })
}

func (r *flowRun) lookup(name string) any {
	if account, ok := strings.CutPrefix(name, "account:"); ok {
		return r.accounts[account]
	}
	if rest, ok := strings.CutPrefix(name, "principal:"); ok {
		who, field, _ := strings.Cut(rest, ".")
		return r.principal(who).fields[field]
	}
	first, rest, _ := strings.Cut(name, ".")
	v, ok := r.vars[first]
	if !ok {
		r.t.Fatalf("the flow has no variable %s", name)
	}
	return at(v, rest)
}

func (r *flowRun) bytes(v any) []byte {
	switch v := r.value(v).(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	default:
		r.t.Fatalf("%v is no bytes", v)
		return nil
	}
}

func hashOf(name string) (crypto.Hash, func() hash.Hash) {
	switch name {
	case "SHA_1":
		return crypto.SHA1, sha1.New
	case "SHA_384":
		return crypto.SHA384, sha512.New384
	case "SHA_512":
		return crypto.SHA512, sha512.New
	}
	return crypto.SHA256, sha256.New
}

func (r *flowRun) function(name string, arg any) any {
	m, _ := arg.(map[string]any)
	switch name {
	case "$text":
		return r.bytes(arg)
	case "$b64":
		b, err := base64.StdEncoding.DecodeString(string(r.bytes(arg)))
		r.ok(err)
		return b
	case "$random":
		b := make([]byte, int(arg.(float64)))
		_, _ = rand.Read(b)
		return b
	case "$json":
		return jsonText(r.value(arg))
	case "$repeat":
		return strings.Repeat(r.value(m["text"]).(string), int(m["times"].(float64)))
	case "$slice":
		b := r.bytes(m["of"])
		from, to := 0, len(b)
		if v, ok := m["from"].(float64); ok {
			from = int(v)
		}
		if v, ok := m["to"].(float64); ok {
			to = int(v)
		}
		return b[from:to]
	case "$concat":
		var b []byte
		for _, part := range arg.([]any) {
			b = append(b, r.bytes(part)...)
		}
		return b
	case "$digest":
		_, h := hashOf(m["hash"].(string))
		sum := h()
		sum.Write(r.bytes(m["of"]))
		return sum.Sum(nil)
	}
	return r.keyFunction(name, arg, m)
}

func (r *flowRun) keyFunction(name string, arg any, m map[string]any) any {
	switch name {
	case "$keygen":
		return r.keygen(r.value(arg).(string))
	case "$public":
		private, err := x509.ParsePKCS8PrivateKey(r.bytes(arg))
		r.ok(err)
		der, err := x509.MarshalPKIXPublicKey(private.(crypto.Signer).Public())
		r.ok(err)
		return der
	case "$oaep":
		public, err := x509.ParsePKIXPublicKey(r.bytes(m["key"]))
		r.ok(err)
		_, h := hashOf(m["hash"].(string))
		out, err := rsa.EncryptOAEP(h(), rand.Reader, public.(*rsa.PublicKey), r.bytes(m["data"]), nil)
		r.ok(err)
		return out
	case "$aes_kwp":
		w, err := kwp.NewKWP(r.bytes(m["key"]))
		r.ok(err)
		out, err := w.Wrap(r.bytes(m["data"]))
		r.ok(err)
		return out
	case "$ecdh":
		private, err := x509.ParsePKCS8PrivateKey(r.bytes(m["private"]))
		r.ok(err)
		public, err := x509.ParsePKIXPublicKey(r.bytes(m["public"]))
		r.ok(err)
		mine, err := private.(*ecdsa.PrivateKey).ECDH()
		r.ok(err)
		theirs, err := public.(*ecdsa.PublicKey).ECDH()
		r.ok(err)
		return agreed(mine, theirs)
	}
	r.t.Fatalf("the flow uses %s, which the runner does not know", name)
	return nil
}

func agreed(mine *ecdh.PrivateKey, theirs *ecdh.PublicKey) []byte {
	secret, err := mine.ECDH(theirs)
	if err != nil {
		return nil
	}
	return secret
}

func (r *flowRun) keygen(spec string) []byte {
	var private any
	var err error
	switch spec {
	case "RSA_2048", "RSA_3072", "RSA_4096":
		bits, _ := strconv.Atoi(spec[4:])
		private, err = rsa.GenerateKey(rand.Reader, bits)
	case "ECC_NIST_P384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ECC_NIST_P521":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	r.ok(err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	r.ok(err)
	return der
}

func (r *flowRun) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

var index = regexp.MustCompile(`^(.*)\[(\d+)\]$`)

// at follows a dotted path, as Grants[0].Name.
func at(v any, path string) any {
	if path == "" {
		return v
	}
	first, rest, _ := strings.Cut(path, ".")
	n := -1
	if m := index.FindStringSubmatch(first); m != nil {
		first = m[1]
		n, _ = strconv.Atoi(m[2])
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	v = m[first]
	if n >= 0 {
		list, _ := v.([]any)
		if n >= len(list) {
			return nil
		}
		v = list[n]
	}
	return at(v, rest)
}

// fill sets the fields of an SDK struct by their AWS names.
func fill(dst reflect.Value, params any) error {
	if params == nil {
		return nil
	}
	if dst.Kind() == reflect.Pointer {
		dst.Set(reflect.New(dst.Type().Elem()))
		return fill(dst.Elem(), params)
	}
	switch v := params.(type) {
	case map[string]any:
		if dst.Kind() == reflect.Map {
			dst.Set(reflect.MakeMap(dst.Type()))
			for k, item := range v {
				e := reflect.New(dst.Type().Elem()).Elem()
				if err := fill(e, item); err != nil {
					return err
				}
				dst.SetMapIndex(reflect.ValueOf(k).Convert(dst.Type().Key()), e)
			}
			return nil
		}
		for k, item := range v {
			f := dst.FieldByName(strings.ToUpper(k[:1]) + k[1:])
			if !f.IsValid() {
				return fmt.Errorf("no member %s", k)
			}
			if err := fill(f, item); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
		return nil
	case []any:
		dst.Set(reflect.MakeSlice(dst.Type(), len(v), len(v)))
		for i := range v {
			if err := fill(dst.Index(i), v[i]); err != nil {
				return err
			}
		}
		return nil
	case []byte:
		if dst.Type() == reflect.TypeFor[io.Reader]() {
			dst.Set(reflect.ValueOf(bytes.NewReader(v)))
			return nil
		}
		if dst.Kind() == reflect.String {
			dst.SetString(string(v))
		} else {
			dst.SetBytes(v)
		}
		return nil
	case string:
		if dst.Kind() == reflect.Slice {
			dst.SetBytes([]byte(v))
		} else {
			dst.SetString(v)
		}
		return nil
	case float64:
		dst.SetInt(int64(v))
		return nil
	case bool:
		dst.SetBool(v)
		return nil
	case time.Time:
		dst.Set(reflect.ValueOf(v))
		return nil
	}
	return fmt.Errorf("a %T does not fit", params)
}

// plain turns an SDK struct into maps and lists; what is not set is left out.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if stream, ok := v.Interface().(io.ReadCloser); ok {
			content, err := io.ReadAll(stream)
			if err != nil {
				return err.Error()
			}
			return content
		}
		return plain(v.Elem())
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return t
		}
		m := map[string]any{}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" {
				continue
			}
			if item := plain(v.Field(i)); item != nil && item != "" {
				m[f.Name] = item
			} else if v.Field(i).Kind() == reflect.Pointer && !v.Field(i).IsNil() {
				m[f.Name] = item
			}
		}
		return m
	case reflect.Slice:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return v.Bytes()
		}
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	case reflect.Map:
		if v.IsNil() {
			return nil
		}
		m := map[string]any{}
		for _, k := range v.MapKeys() {
			m[k.String()] = plain(v.MapIndex(k))
		}
		return m
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int32, reflect.Int64, reflect.Int:
		return float64(v.Int())
	case reflect.Float64:
		return v.Float()
	}
	return nil
}

// same compares values of a flow: text and bytes of the same content are equal.
func same(a, b any) bool {
	if x, ok := a.([]byte); ok {
		if y, ok := b.(string); ok {
			return string(x) == y
		}
	}
	if y, ok := b.([]byte); ok {
		if x, ok := a.(string); ok {
			return string(y) == x
		}
		if x, ok := a.([]byte); ok {
			return bytes.Equal(x, y)
		}
	}
	if list, ok := a.([]any); ok && len(list) == 0 && b == nil {
		return true
	}
	return reflect.DeepEqual(a, b)
}

// expect holds an answer against what was recorded.
func (r *flowRun) expect(where string, want map[string]any, out any) {
	r.t.Helper()
	each := func(kind string, test func(path string, want any) bool) {
		m, _ := want[kind].(map[string]any)
		for path, v := range m {
			if !test(path, v) {
				r.t.Errorf("%s: %s %s: got %v, want %v", where, kind, path, at(out, path), r.value(v))
			}
		}
	}
	each("fields", func(p string, v any) bool { return same(r.value(v), at(out, p)) })
	each("differs", func(p string, v any) bool { return !same(r.value(v), at(out, p)) })
	each("match", func(p string, v any) bool {
		return regexp.MustCompile(r.pattern(v.(string))).MatchString(fmt.Sprint(at(out, p)))
	})
	each("length", func(p string, v any) bool { return float64(lengthOf(at(out, p))) == v.(float64) })
	each("type", func(p string, v any) bool { return typeOf(at(out, p)) == v })
	each("members", func(p string, v any) bool {
		m, _ := at(out, p).(map[string]any)
		names, _ := v.([]any)
		for _, n := range names {
			if _, ok := m[n.(string)]; !ok {
				return false
			}
		}
		return len(m) == len(names)
	})
	each("unordered", func(p string, v any) bool { return unordered(r.value(v), at(out, p)) })
	each("has", func(p string, v any) bool { return r.has(at(out, p), v) })
	each("lacks", func(p string, v any) bool { return !r.has(at(out, p), v) })
	each("json", func(p string, v any) bool {
		var got any
		text, _ := at(out, p).(string)
		return json.Unmarshal([]byte(text), &got) == nil && reflect.DeepEqual(got, r.value(v))
	})
	for _, p := range texts(want["present"]) {
		if v := at(out, p); v == nil || lengthOf(v) == 0 {
			r.t.Errorf("%s: %s is not there", where, p)
		}
	}
	for _, p := range texts(want["absent"]) {
		if v := at(out, p); v != nil {
			r.t.Errorf("%s: %s is there: %v", where, p, v)
		}
	}
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i := range list {
		out[i], _ = list[i].(string)
	}
	return out
}

func lengthOf(v any) int {
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Slice, reflect.Map, reflect.String:
		return rv.Len()
	case reflect.Invalid:
		return 0
	}
	return 1
}

func typeOf(v any) string {
	switch v.(type) {
	case time.Time:
		return "timestamp"
	case []byte:
		return "bytes"
	case string:
		return "string"
	case []any:
		return "list"
	}
	return fmt.Sprintf("%T", v)
}

func unordered(a, b any) bool {
	x, _ := a.([]any)
	y, _ := b.([]any)
	if len(x) != len(y) {
		return false
	}
	for _, v := range x {
		found := false
		for _, w := range y {
			found = found || same(v, w)
		}
		if !found {
			return false
		}
	}
	return true
}

func (r *flowRun) has(list, members any) bool {
	items, _ := list.([]any)
	want, isMap := r.value(members).(map[string]any)
	for _, item := range items {
		if !isMap {
			if same(r.value(members), item) {
				return true
			}
			continue
		}
		all := true
		for k, v := range want {
			all = all && same(v, at(item, k))
		}
		if all {
			return true
		}
	}
	return false
}

// check compares variables, and signatures outside KMS.
func (r *flowRun) check(i int, c map[string]any) {
	pair := func(v any) (any, any) {
		list := v.([]any)
		return r.value(list[0]), r.value(list[1])
	}
	if v, ok := c["equal"]; ok {
		if a, b := pair(v); !same(a, b) {
			r.t.Errorf("step %d: %v and %v differ", i+1, a, b)
		}
	}
	if v, ok := c["differ"]; ok {
		if a, b := pair(v); same(a, b) {
			r.t.Errorf("step %d: both are %v", i+1, a)
		}
	}
	if m, ok := c["signature"].(map[string]any); ok {
		if !r.verifies(m) {
			r.t.Errorf("step %d: the signature does not hold", i+1)
		}
	}
}

func (r *flowRun) verifies(m map[string]any) bool {
	algorithm := m["algorithm"].(string)
	parts := strings.Split(algorithm, "_")
	h, newHash := hashOf(strings.Join(parts[len(parts)-2:], "_"))
	sum := newHash()
	sum.Write(r.bytes(m["message"]))
	digest, signature, der := sum.Sum(nil), r.bytes(m["signature"]), r.bytes(m["public"])
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return secpVerifies(der, digest, signature)
	}
	switch k := public.(type) {
	case *rsa.PublicKey:
		if strings.Contains(algorithm, "PSS") {
			return rsa.VerifyPSS(k, h, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, h, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(k, r.bytes(m["message"]), signature)
	}
	return false
}

func secpVerifies(der, digest, signature []byte) bool {
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return false
	}
	public, err := secp256k1.ParsePubKey(info.Key.Bytes)
	if err != nil {
		return false
	}
	s, err := secpecdsa.ParseDERSignature(signature)
	return err == nil && s.Verify(digest, public)
}
