package s3

import (
	"context"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
	"github.com/keyreach/keyreach/sandbox/state"
)

// query is what a list is asked with, whichever of its versions.
type query struct {
	prefix, delimiter string
	after             string // keys up to this one are left out
	afterVersion      string // and of this one the versions up to here
	max               int
	encoded           bool
}

// maxList is the length of the longest page.
const maxList = 1000

func limitOf(n *int32) (int, error) {
	switch {
	case n == nil:
		return maxList, nil
	case *n < 0:
		return 0, argument("maxKeys", strconv.Itoa(int(*n)), "Argument maxKeys must be an integer between 0 and 2147483647")
	}
	return min(int(*n), maxList), nil
}

// text is a key as the answer has it.
func (q *query) text(s string) *string {
	if q.encoded {
		s = strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "%2F", "/"), "%2A", "*")
	}
	return &s
}

// askList is what lists need: with which prefix and delimiter, policies may ask.
func askList[I any](s *Service, action string, q func(*I) (prefix, delimiter *string, limit *int32)) func(*gate.Call, *I) ([]gate.Ask, error) {
	return func(c *gate.Call, in *I) ([]gate.Ask, error) {
		b, err := s.bucketOf(c, in)
		if err != nil {
			return nil, err
		}
		var g given
		prefix, delimiter, limit := q(in)
		if prefix != nil {
			g.list = append(g.list, entry("s3:prefix", *prefix))
		}
		if delimiter != nil {
			g.list = append(g.list, entry("s3:delimiter", *delimiter))
		}
		if limit != nil {
			g.text("s3:max-keys", strconv.Itoa(int(*limit)))
		}
		return []gate.Ask{s.ask(c, b, action, "", g.list)}, nil
	}
}

// page collects a page: each visits a thing, under a key or a common prefix; it returns
// false when the page is full.
type page struct {
	query
	n         int
	prefixes  []types.CommonPrefix
	last      string // the last key or prefix on the page
	truncated bool
}

// take decides what becomes of a key: whether it is to be shown, and whether the list
// goes on.
func (p *page) take(key string) (show, more bool) {
	rest := strings.TrimPrefix(key, p.prefix)
	if p.delimiter != "" {
		if at := strings.Index(rest, p.delimiter); at >= 0 {
			common := p.prefix + rest[:at+len(p.delimiter)]
			if p.last == common || strings.HasPrefix(p.after, common) && common <= p.after {
				return false, true
			}
			if p.n >= p.max {
				p.truncated = true
				return false, false
			}
			p.n, p.last = p.n+1, common
			p.prefixes = append(p.prefixes, types.CommonPrefix{Prefix: p.text(common)})
			return false, true
		}
	}
	if p.n >= p.max {
		p.truncated = true
		return false, false
	}
	p.n, p.last = p.n+1, key
	return true, true
}

// current collects the objects that a list shows.
func (s *Service) current(b *Bucket, q query) (list []types.Object, p *page) {
	p = &page{query: q}
	if q.max == 0 {
		return nil, p
	}
	latest := ""
	seen := false
	for _, o := range s.objects.All(state.Key(b.Name, q.prefix)) {
		if seen && o.Key == latest {
			continue
		}
		latest, seen = o.Key, true
		if o.Marker || q.after != "" && o.Key <= q.after {
			continue
		}
		show, more := p.take(o.Key)
		if show {
			list = append(list, types.Object{
				Key: p.text(o.Key), ETag: &o.ETag, LastModified: &o.Modified, Size: &o.Size, StorageClass: types.ObjectStorageClass(classOf(o)),
				ChecksumAlgorithm: sumsOf(o), ChecksumType: o.SumType,
			})
		}
		if !more {
			break
		}
	}
	return list, p
}

func classOf(o *Object) string {
	if o.Meta.Class == "" {
		return string(types.StorageClassStandard)
	}
	return string(o.Meta.Class)
}

func sumsOf(o *Object) (list []types.ChecksumAlgorithm) {
	for _, name := range algorithms {
		if _, ok := o.Sums[name]; ok {
			list = append(list, types.ChecksumAlgorithm(name))
		}
	}
	return list
}

// tokenMark begins a token, so that other texts are not taken for one.
const tokenMark = "v2:"

// ListObjectsV2 lists the objects of a bucket.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
func (s *Service) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	b := s.buckets.Get(*in.Bucket)
	limit, err := limitOf(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	q := query{prefix: value(in.Prefix), delimiter: value(in.Delimiter), after: value(in.StartAfter), max: limit, encoded: in.EncodingType == types.EncodingTypeUrl}
	if in.ContinuationToken != nil {
		raw, err := base64.RawURLEncoding.DecodeString(*in.ContinuationToken)
		after, ours := strings.CutPrefix(string(raw), tokenMark)
		if err != nil || !ours || after == "" {
			return nil, argument("continuation-token", *in.ContinuationToken, "The continuation token provided is incorrect")
		}
		q.after = after
	}
	list, p := s.current(b, q)
	if yes(in.FetchOwner) {
		for i := range list {
			list[i].Owner = owner(b.Account)
		}
	}
	out := &s3.ListObjectsV2Output{
		Contents: list, CommonPrefixes: p.prefixes, Name: &b.Name, Prefix: q.text(q.prefix), MaxKeys: new(int32(limit)), KeyCount: new(int32(p.n)),
		IsTruncated: &p.truncated, ContinuationToken: in.ContinuationToken, EncodingType: in.EncodingType,
	}
	if in.StartAfter != nil {
		out.StartAfter = q.text(*in.StartAfter)
	}
	if in.Delimiter != nil {
		out.Delimiter = q.text(*in.Delimiter)
	}
	if p.truncated {
		out.NextContinuationToken = new(base64.RawURLEncoding.EncodeToString([]byte(tokenMark + p.last)))
	}
	return out, nil
}

// ListObjects is the older list.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html.
func (s *Service) ListObjects(_ context.Context, in *s3.ListObjectsInput) (*s3.ListObjectsOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	limit, err := limitOf(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	q := query{prefix: value(in.Prefix), delimiter: value(in.Delimiter), after: value(in.Marker), max: limit, encoded: in.EncodingType == types.EncodingTypeUrl}
	list, p := s.current(b, q)
	for i := range list {
		list[i].Owner = owner(b.Account)
	}
	out := &s3.ListObjectsOutput{
		Contents: list, CommonPrefixes: p.prefixes, Name: &b.Name, Prefix: q.text(q.prefix), Marker: q.text(q.after), MaxKeys: new(int32(limit)),
		IsTruncated: &p.truncated, EncodingType: in.EncodingType,
	}
	if in.Delimiter != nil {
		out.Delimiter = q.text(*in.Delimiter)
		if p.truncated {
			out.NextMarker = q.text(p.last)
		}
	}
	return out, nil
}

// ListObjectVersions lists all versions and delete markers.
// See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html.
func (s *Service) ListObjectVersions(_ context.Context, in *s3.ListObjectVersionsInput) (*s3.ListObjectVersionsOutput, error) {
	b := s.buckets.Get(*in.Bucket)
	limit, err := limitOf(in.MaxKeys)
	if err != nil {
		return nil, err
	}
	if in.VersionIdMarker != nil && in.KeyMarker == nil {
		return nil, argument("version-id-marker", *in.VersionIdMarker, "A version-id marker cannot be specified without a key marker.")
	}
	q := query{prefix: value(in.Prefix), delimiter: value(in.Delimiter), after: value(in.KeyMarker), afterVersion: value(in.VersionIdMarker), max: limit, encoded: in.EncodingType == types.EncodingTypeUrl}
	out := &s3.ListObjectVersionsOutput{
		Name: &b.Name, Prefix: q.text(q.prefix), KeyMarker: q.text(q.after), VersionIdMarker: new(q.afterVersion), MaxKeys: new(int32(limit)),
		EncodingType: in.EncodingType,
	}
	if in.Delimiter != nil {
		out.Delimiter = q.text(*in.Delimiter)
	}
	p := s.allVersions(b, q, out)
	out.CommonPrefixes, out.IsTruncated = p.prefixes, &p.truncated
	return out, nil
}

// allVersions fills a page with versions.
func (s *Service) allVersions(b *Bucket, q query, out *s3.ListObjectVersionsOutput) *page {
	p := &page{query: q}
	if q.max == 0 {
		return p
	}
	seen, latest, version := "", false, ""
	// With a version to go on after, its key is not past yet.
	reached := q.afterVersion == ""
	for _, o := range s.objects.All(state.Key(b.Name, q.prefix)) {
		latest = o.Key != seen || seen == ""
		seen = o.Key
		if q.after != "" && (o.Key < q.after || o.Key == q.after && reached && q.afterVersion == "") {
			continue
		}
		if o.Key == q.after && !reached {
			reached = o.Version == q.afterVersion
			continue
		}
		show, more := p.take(o.Key)
		if show {
			version = o.Version
			p.version(out, o, latest)
		}
		if !more {
			out.NextKeyMarker = p.text(p.last)
			if version != "" && !strings.HasSuffix(p.last, q.delimiter) || q.delimiter == "" {
				out.NextVersionIdMarker = new(version)
			}
			break
		}
	}
	return p
}

func (p *page) version(out *s3.ListObjectVersionsOutput, o *Object, latest bool) {
	if o.Marker {
		out.DeleteMarkers = append(out.DeleteMarkers, types.DeleteMarkerEntry{Key: p.text(o.Key), VersionId: &o.Version, IsLatest: &latest, LastModified: &o.Modified, Owner: owner(o.Account)})
		return
	}
	out.Versions = append(out.Versions, types.ObjectVersion{
		Key: p.text(o.Key), VersionId: &o.Version, IsLatest: &latest, LastModified: &o.Modified, Owner: owner(o.Account), ETag: &o.ETag, Size: &o.Size,
		StorageClass: types.ObjectVersionStorageClass(classOf(o)), ChecksumAlgorithm: sumsOf(o), ChecksumType: o.SumType,
	})
}
