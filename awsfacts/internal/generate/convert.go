package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"
)

// multivaluedServices are the services, besides KMS, whose multivalued condition
// keys Keyreach must recognise.
var multivaluedServices = []string{"backup", "drs", "ebs", "ec2", "iam", "rds", "s3", "secretsmanager", "sqs", "sts"}

// globalKeyPattern reads one entry of the package's list of global keys, which is
// a JavaScript file.
var globalKeyPattern = regexp.MustCompile(`key:\s*'([^']+)',\s*category:\s*'[^']*',\s*type:\s*'([^']+)'`)

type sourceAction struct {
	Name          string   `json:"name"`
	AccessLevel   string   `json:"accessLevel"`
	ConditionKeys []string `json:"conditionKeys"`
	ResourceTypes []struct {
		Name string `json:"name"`
	} `json:"resourceTypes"`
}

type sourceKey struct {
	Key  string `json:"key"`
	Type string `json:"type"`
}

type sourceResource struct {
	Key           string   `json:"key"`
	ConditionKeys []string `json:"conditionKeys"`
}

// origin says where a generated table comes from.
type origin struct {
	source, version, licence, date string
}

// convert reads the unpacked package and returns the files to write, by name.
func convert(pkg fs.FS, version string) (map[string][]byte, error) {
	from, err := readOrigin(pkg, version)
	if err != nil {
		return nil, err
	}
	kms, err := convertKMS(pkg, from)
	if err != nil {
		return nil, err
	}
	iam, err := convertIAM(pkg, from)
	if err != nil {
		return nil, err
	}
	licence, err := fs.ReadFile(pkg, "LICENSE.txt")
	if err != nil {
		return nil, fmt.Errorf("reading the licence: %w", err)
	}
	return map[string][]byte{"kms.json": kms, "iam.json": iam, "LICENSE-iam-data.txt": licence}, nil
}

// readOrigin reads package.json and refuses a package other than the one asked for.
func readOrigin(pkg fs.FS, version string) (origin, error) {
	var manifest struct {
		Name, Version, License string
		UpdatedAt              time.Time
	}
	if err := readJSON(pkg, "package.json", &manifest); err != nil {
		return origin{}, err
	}
	if manifest.Name != packageName || manifest.Version != version {
		return origin{}, fmt.Errorf("reading package.json: it is %s %s, not %s %s", manifest.Name, manifest.Version, packageName, version)
	}
	if manifest.License != "MIT" {
		return origin{}, fmt.Errorf("reading package.json: the licence is now %q; ask before using it", manifest.License)
	}
	if manifest.UpdatedAt.IsZero() {
		return origin{}, errors.New("reading package.json: no updatedAt")
	}
	return origin{"npm " + manifest.Name, manifest.Version, manifest.License, manifest.UpdatedAt.Format(time.DateOnly)}, nil
}

// convertKMS makes the table of KMS actions and condition keys.
func convertKMS(pkg fs.FS, from origin) ([]byte, error) {
	var actions map[string]sourceAction
	var keys map[string]sourceKey
	var resources map[string]sourceResource
	for name, into := range map[string]any{
		"data/actions/kms.json": &actions, "data/conditionKeys/kms.json": &keys, "data/resourceTypes/kms.json": &resources,
	} {
		if err := readJSON(pkg, name, into); err != nil {
			return nil, err
		}
	}
	actionRows := map[string]any{}
	for _, a := range actions {
		types := []string{}
		for _, r := range a.ResourceTypes {
			types = append(types, r.Name)
		}
		actionRows["kms:"+a.Name] = []any{a.AccessLevel, sorted(types), sorted(a.ConditionKeys)}
	}
	keyRows := map[string]any{}
	for _, k := range keys {
		keyRows[k.Key] = k.Type
	}
	scoped := map[string]any{}
	for _, r := range resources {
		if len(r.ConditionKeys) > 0 {
			scoped[r.Key] = sorted(r.ConditionKeys)
		}
	}
	if len(actionRows) == 0 || len(keyRows) == 0 || len(scoped) == 0 {
		return nil, errors.New("converting the KMS tables: one of them is empty")
	}
	return document(from, []section{{"actions", actionRows}, {"condition_keys", keyRows}, {"resource_condition_keys", scoped}}), nil
}

// convertIAM makes the table of what is wanted of all other services.
func convertIAM(pkg fs.FS, from origin) ([]byte, error) {
	global, err := readGlobalKeys(pkg)
	if err != nil {
		return nil, err
	}
	multivalued := map[string]any{}
	for _, service := range multivaluedServices {
		var keys map[string]sourceKey
		if err := readJSON(pkg, "data/conditionKeys/"+service+".json", &keys); err != nil {
			return nil, err
		}
		for _, k := range keys {
			if strings.HasPrefix(k.Type, "ArrayOf") && !strings.HasPrefix(k.Key, "aws:") {
				multivalued[k.Key] = k.Type
			}
		}
	}
	var rcp, services []string
	if err := readJSON(pkg, "data/rcpSupportedServices.json", &rcp); err != nil {
		return nil, err
	}
	if err := readJSON(pkg, "data/services.json", &services); err != nil {
		return nil, err
	}
	if len(rcp) == 0 || len(services) == 0 {
		return nil, errors.New("converting the service lists: one of them is empty")
	}
	return document(from, []section{
		{"global_condition_keys", global}, {"multivalued_condition_keys", multivalued},
		{"rcp_services", sorted(rcp)}, {"services", sorted(services)},
	}), nil
}

// readGlobalKeys reads the global condition keys and spells a family's placeholder
// as AWS does.
func readGlobalKeys(pkg fs.FS) (map[string]any, error) {
	const name = "dist/esm/globalConditionKeys.js"
	text, err := fs.ReadFile(pkg, name)
	if err != nil {
		return nil, fmt.Errorf("reading the global keys: %w", err)
	}
	keys := map[string]any{}
	for _, m := range globalKeyPattern.FindAllStringSubmatch(string(text), -1) {
		keys[strings.Replace(m[1], "/tag-key", "/${TagKey}", 1)] = m[2]
	}
	if len(keys) == 0 || len(keys) != strings.Count(string(text), "category:") {
		return nil, fmt.Errorf("reading %s: understood %d of %d keys", name, len(keys), strings.Count(string(text), "category:"))
	}
	return keys, nil
}

func readJSON(pkg fs.FS, name string, into any) error {
	text, err := fs.ReadFile(pkg, name)
	if err != nil {
		return fmt.Errorf("reading the package: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

// sorted returns a sorted copy, never nil, so that it prints as a list.
func sorted(list []string) []string {
	list = append([]string{}, list...)
	slices.Sort(list)
	return list
}
