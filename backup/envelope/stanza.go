package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"filippo.io/age"

	"github.com/keyreach/keyreach/arn"
)

// StanzaType is the type of a stanza that holds the file key under a KMS key: its
// arguments are the version, the ARN of the key and the encryption context as base64 of
// JSON, its body is the CiphertextBlob of KMS.
const StanzaType = "keyreach/aws-kms"

const (
	stanzaVersion = "v1"
	fileKeySize   = 16
	// maxBlob is what Decrypt takes at most, see
	// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html.
	maxBlob = 6144
)

// Wrapped is the content of a stanza of StanzaType.
type Wrapped struct {
	// ARN is the key's, as KMS returned it.
	ARN     string
	Context Context
	Blob    []byte
}

var base64Strict = base64.RawStdEncoding.Strict()

// text is the canonical form of a context: JSON with the names in order.
func (c Context) text() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]string(c)); err != nil {
		return nil, fmt.Errorf("writing the encryption context: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func readContext(text string) (Context, error) {
	raw, err := base64Strict.DecodeString(text)
	if err != nil {
		return nil, errors.New("the encryption context is not base64")
	}
	var c Context
	if err := json.Unmarshal(raw, &c); err != nil || c == nil {
		return nil, errors.New("the encryption context is not a JSON map of texts")
	}
	// One context has one form: otherwise two readers may see two contexts in it.
	if again, err := c.text(); err != nil || !bytes.Equal(again, raw) {
		return nil, errors.New("the encryption context is not in its canonical form")
	}
	return c, nil
}

// stanza returns the form in which a wrapped file key stands in a header.
func (w Wrapped) stanza() (*age.Stanza, error) {
	if _, err := readKey(w.ARN); err != nil {
		return nil, err
	}
	text, err := w.Context.text()
	if err != nil {
		return nil, err
	}
	return &age.Stanza{
		Type: StanzaType,
		Args: []string{stanzaVersion, w.ARN, base64Strict.EncodeToString(text)},
		Body: w.Blob,
	}, nil
}

// readStanza reads a stanza of StanzaType. What it returns beside an error tells as much
// as could be read.
func readStanza(s *age.Stanza) (Wrapped, error) {
	if len(s.Args) != 3 || s.Args[0] != stanzaVersion {
		return Wrapped{}, fmt.Errorf("the stanza is not of version %s", stanzaVersion)
	}
	w := Wrapped{ARN: s.Args[1], Blob: s.Body}
	if _, err := readKey(w.ARN); err != nil {
		return w, err
	}
	if len(s.Body) == 0 || len(s.Body) > maxBlob {
		return w, fmt.Errorf("its body has %d bytes, KMS makes 1 to %d", len(s.Body), maxBlob)
	}
	var err error
	w.Context, err = readContext(s.Args[2])
	return w, err
}

// A Region becomes part of the name of the host that is called, and the id part of the
// path of no file: both are held to their letters, since anybody may have written them.
var (
	regionForm    = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$`)
	partitionForm = regexp.MustCompile(`^aws(-[a-z0-9]+)*$`)
	keyForm       = regexp.MustCompile(`^key/[A-Za-z0-9-]{1,64}$`)
)

func readKey(text string) (arn.ARN, error) {
	a, err := arn.Parse(text)
	if err != nil {
		return a, err
	}
	if !a.IsKMSKey() || !arn.IsAccount(a.Account) || !regionForm.MatchString(a.Region) ||
		!partitionForm.MatchString(a.Partition) || !keyForm.MatchString(a.Resource) {
		return a, fmt.Errorf("reading %q: it is not the ARN of a KMS key", text)
	}
	return a, nil
}
