package awsfacts

import (
	"bytes"
	"embed"
	"encoding/json"
	"strings"
	"sync"
)

//go:embed data/*.json data/api/*.json data/LICENSE-iam-data.txt
var files embed.FS

// load decodes an embedded table. A table that does not decode is a defect of this
// package that every test would show, hence the panic.
func load[T any](name string) T {
	text, err := files.ReadFile("data/" + name)
	if err != nil {
		panic("awsfacts: " + err.Error())
	}
	var table T
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&table); err != nil {
		panic("awsfacts: reading " + name + ": " + err.Error())
	}
	return table
}

// maxName is longer than any name in the tables.
const maxName = 64

// index finds values by a name in any letter case, without allocating. Names are
// ASCII; only ASCII letters have two cases here, as in IAM.
type index[V any] struct {
	exact, folded map[string]V
}

func newIndex[V any]() index[V] {
	return index[V]{exact: map[string]V{}, folded: map[string]V{}}
}

func (x index[V]) add(name string, value V) {
	if len(name) > maxName {
		panic("awsfacts: a name of the tables is too long: " + name)
	}
	x.exact[name] = value
	x.folded[strings.ToLower(name)] = value
}

func (x index[V]) find(name string) (value V, ok bool) {
	if value, ok = x.exact[name]; ok || len(name) > maxName {
		return value, ok
	}
	var folded [maxName]byte
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		folded[i] = c
	}
	value, ok = x.folded[string(folded[:len(name)])]
	return value, ok
}

// origin is the head of a generated table.
type origin struct {
	Source  string `json:"source"`
	Version string `json:"version"`
	Licence string `json:"licence"`
	Date    string `json:"date"`
}

type kmsFile struct {
	origin
	Actions               map[string]actionRow `json:"actions"`
	ConditionKeys         map[string]string    `json:"condition_keys"`
	ResourceConditionKeys map[string][]string  `json:"resource_condition_keys"`
}

type iamFile struct {
	origin
	GlobalConditionKeys      map[string]string `json:"global_condition_keys"`
	MultivaluedConditionKeys map[string]string `json:"multivalued_condition_keys"`
	RCPServices              []string          `json:"rcp_services"`
	Services                 []string          `json:"services"`
}

var (
	kmsTable = sync.OnceValue(func() kmsFile { return load[kmsFile]("kms.json") })
	iamTable = sync.OnceValue(func() iamFile { return load[iamFile]("iam.json") })
)

// DataVersion says where the generated tables come from: the package, its version
// and the day of its data (YYYY-MM-DD). A message about an unknown action or
// condition key should name the date.
func DataVersion() (source, version, date string) {
	t := kmsTable()
	return t.Source, t.Version, t.Date
}
