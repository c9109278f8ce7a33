package stepca

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/keyreach/keyreach/backup/envelope"
)

// config is the part of ca.json that names files. Everything else is step-ca's own affair.
type config struct {
	Root           texts    `json:"root"`
	FederatedRoots []string `json:"federatedRoots"`
	Certificate    string   `json:"crt"`
	Key            string   `json:"key"`
	Password       string   `json:"password"`
	KMS            *struct {
		Type        string `json:"type"`
		Credentials string `json:"credentialsFile"`
		Storage     string `json:"storageDirectory"`
	} `json:"kms"`
	SSH *struct {
		HostKey string `json:"hostKey"`
		UserKey string `json:"userKey"`
	} `json:"ssh"`
	DB *struct {
		Type     string `json:"type"`
		Source   string `json:"dataSource"`
		ValueDir string `json:"valueDir"`
	} `json:"db"`
	Authority *authority `json:"authority"`
	Templates *struct {
		SSH *struct {
			User []template `json:"user"`
			Host []template `json:"host"`
		} `json:"ssh"`
	} `json:"templates"`
}

type authority struct {
	Type         string        `json:"type"`
	Credentials  string        `json:"credentialsFile"`
	Issuer       *issuer       `json:"certificateIssuer"`
	Provisioners []provisioner `json:"provisioners"`
}

// issuer is the CA behind a registration authority.
type issuer struct {
	Certificate string `json:"crt"`
	Key         string `json:"key"`
}

type provisioner struct {
	Name    string `json:"name"`
	Options *struct {
		X509 *templateFile `json:"x509"`
		SSH  *templateFile `json:"ssh"`
	} `json:"options"`
}

type templateFile struct {
	File string `json:"templateFile"`
}

type template struct {
	Name string `json:"name"`
	// Type is snippet, prepend-line, file or directory, of which the last has no template.
	Type string `json:"type"`
	Path string `json:"template"`
}

// texts is one string or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return errors.New("root is neither a string nor a list of strings")
	}
	*t = many
	return nil
}

// softCA: the CA signs with a key of its own, and no other service signs for it. See
// https://smallstep.com/docs/step-ca/registration-authority-ra-mode/.
func (c *config) softCA() bool {
	return c.Authority == nil || c.Authority.Type == "" || strings.EqualFold(c.Authority.Type, "softcas")
}

// find returns where the configuration lies below the directory.
func find(dir string) (string, error) {
	for _, rel := range []string{filepath.Join("config", "ca.json"), "ca.json"} {
		path := filepath.Join(dir, rel)
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() {
			return path, nil
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", envelope.OnDisk("reading "+"the configuration of step-ca", err)
		}
	}
	return "", envelope.OnDisk("reading "+"the configuration of step-ca", fmt.Errorf("neither config/ca.json nor ca.json is in %s: %w", dir, os.ErrNotExist))
}

func load(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, envelope.OnDisk("reading "+"the configuration of step-ca", err)
	}
	c := &config{}
	if err := json.Unmarshal(text, c); err != nil {
		// The text holds passwords and keys: only where it fails is told.
		var s *json.SyntaxError
		if errors.As(err, &s) {
			return nil, fmt.Errorf("reading %s: it is not JSON, from byte %d on", path, s.Offset)
		}
		var u *json.UnmarshalTypeError
		if errors.As(err, &u) {
			return nil, fmt.Errorf("reading %s: %s is a %s", path, u.Field, u.Value)
		}
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return c, nil
}

// home is the directory that paths of ca.json are of, as defaults.json tells it; empty
// when it does not. In a container it is another than where the directory lies outside.
func home(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "config", "defaults.json"))
	if err != nil {
		return ""
	}
	var d struct {
		Config string `json:"ca-config"`
	}
	if json.Unmarshal(text, &d) != nil || !filepath.IsAbs(d.Config) {
		return ""
	}
	if filepath.Base(filepath.Dir(d.Config)) != "config" {
		return ""
	}
	return filepath.Dir(filepath.Dir(filepath.Clean(d.Config)))
}
