// Models writes data/api of awsfacts: the operations and shapes of AWS's APIs,
// without their texts, from botocore's service models.
//
//	go run ./awsfacts/internal/models -models DIR -version V -date YYYY-MM-DD
//
// DIR is botocore's data directory. What a newer release of the API has, and the
// models not yet, stands in additions.json beside the tables and is merged in, and
// so do the names of S3's answers, which these models leave out.
package main

import (
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// services are the models that Keyreach needs.
var services = []string{
	"autoscaling", "backup", "cloudtrail", "drs", "ebs", "ec2", "events", "iam", "kms", "organizations", "rds", "s3",
	"secretsmanager", "ssm", "sts",
}

func main() {
	models := flag.String("models", "", "botocore's data directory")
	version := flag.String("version", "", "version of botocore")
	date := flag.String("date", "", "day on which it was read (YYYY-MM-DD)")
	out := flag.String("out", "awsfacts/data/api", "directory to write to")
	flag.Parse()
	if *models == "" || *version == "" || *date == "" {
		fmt.Fprintln(os.Stderr, "models: -models, -version and -date are needed")
		os.Exit(2)
	}
	if err := run(*models, *out, origin{"botocore service models", *version, "Apache-2.0", *date}); err != nil {
		fmt.Fprintln(os.Stderr, "models:", err)
		os.Exit(1)
	}
}

type origin struct{ source, version, licence, date string }

func run(models, out string, from origin) error {
	added, err := readAdditions(filepath.Join(out, "additions.json"))
	if err != nil {
		return err
	}
	parts, err := readParts()
	if err != nil {
		return err
	}
	index := map[string]head{}
	for _, name := range services {
		m, err := readModel(models, name)
		if err != nil {
			return fmt.Errorf("reading the model of %s: %w", name, err)
		}
		if err := m.merge(added[name]); err != nil {
			return fmt.Errorf("adding to the model of %s: %w", name, err)
		}
		m.settle()
		if err := m.keep(parts[name]); err != nil {
			return fmt.Errorf("keeping a part of the model of %s: %w", name, err)
		}
		index[name] = m.head()
		if err := os.WriteFile(filepath.Join(out, name+".json"), m.print(from), 0o644); err != nil {
			return fmt.Errorf("writing the table of %s: %w", name, err)
		}
	}
	text, err := json.MarshalIndent(index, "", " ")
	if err != nil {
		return fmt.Errorf("writing the index: %w", err)
	}
	return os.WriteFile(filepath.Join(out, "index.json"), append(text, '\n'), 0o644)
}

//go:embed parts.json
var partsText []byte

// readParts reads which operations are kept with their shapes of the APIs that are
// large: of the others of these there are the names alone, so that they can be refused
// as not offered.
func readParts() (map[string][]string, error) {
	var parts map[string][]string
	if err := json.Unmarshal(partsText, &parts); err != nil {
		return nil, fmt.Errorf("reading parts.json: %w", err)
	}
	return parts, nil
}

// readModel reads the newest model of a service.
func readModel(models, name string) (*model, error) {
	found, err := filepath.Glob(filepath.Join(models, name, "*", "service-2.json*"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no service-2.json below %s", filepath.Join(models, name))
	}
	path := slices.Max(found)
	m := &model{}
	if err := readJSON(path, m); err != nil {
		return nil, err
	}
	// What botocore itself corrects in a model stands in a file beside it.
	var extras struct {
		Merge struct {
			Shapes map[string]struct {
				Type string `json:"type"`
			} `json:"shapes"`
		} `json:"merge"`
	}
	err = readJSON(filepath.Join(filepath.Dir(path), "service-2.sdk-extras.json"), &extras)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for name, corrected := range extras.Merge.Shapes {
		s := m.Shapes[name]
		s.Type = corrected.Type
		m.Shapes[name] = s
	}
	return m, nil
}

func readJSON(path string, into any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return err
		}
	}
	return json.NewDecoder(r).Decode(into)
}

// additions are shapes and operations by service, in the form of the models.
type additions map[string]struct {
	Source     string               `json:"source"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]shape     `json:"shapes"`
	// Roots are the names of answers' documents, by operation.
	Roots map[string]string `json:"roots"`
}

func readAdditions(path string) (map[string]model, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the additions: %w", err)
	}
	var read additions
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, fmt.Errorf("reading the additions: %w", err)
	}
	models := map[string]model{}
	for name, a := range read {
		models[name] = model{Operations: a.Operations, Shapes: a.Shapes, roots: a.Roots}
	}
	return models, nil
}
