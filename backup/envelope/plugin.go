package envelope

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// PluginName is the name under which age finds the plugin: age-plugin-keyreach on the PATH,
// and age -d -j keyreach. See https://c2sp.org/age-plugin.
const PluginName = "keyreach"

// pluginFlag is that by which age says what it wants of a plugin.
const pluginFlag = "age-plugin"

// pluginUsage is for somebody who calls it by hand.
const pluginUsage = `age-plugin-keyreach is keyreach under the name by which age finds it. age runs it:

  age -d -j keyreach BACKUP.age | zstd -d | tar x

It calls the KMS keys of the caller's own account only. keyreach backup restore calls
others too, with --kms-key and --kms-account.
`

// PluginIdentityData is what an identity AGE-PLUGIN-KEYREACH-1… says. There is no secret
// in it: what opens a file is the caller's right to use the key.
type PluginIdentityData struct {
	Allow  AllowList `json:"allow"`
	Expect Context   `json:"expect,omitempty"`
}

// PluginRecipientData is what a recipient age1keyreach1… says.
type PluginRecipientData struct {
	Keys    []string `json:"keys"`
	Context Context  `json:"context"`
	// Labels are those of the recipients that stand beside it: postquantum for age1pq….
	Labels []string `json:"labels,omitempty"`
}

// Encode returns the identity as age takes it.
func (d PluginIdentityData) Encode() (string, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("writing the identity of the plugin: %w", err)
	}
	return plugin.EncodeIdentity(PluginName, data), nil
}

// Encode returns the recipient as age takes it.
func (d PluginRecipientData) Encode() (string, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("writing the recipient of the plugin: %w", err)
	}
	return plugin.EncodeRecipient(PluginName, data), nil
}

// PluginIdentity returns the identity of the data. The empty one, which age -j makes,
// allows own, the keys of the caller's own account, and takes the context as the file has
// it if it is one of Keyreach.
func PluginIdentity(ctx context.Context, kms KMS, own AllowList, data []byte) (age.Identity, error) {
	var d PluginIdentityData
	if len(data) > 0 {
		if err := strictly(data, &d); err != nil {
			return nil, fmt.Errorf("reading the identity of the plugin: %w", err)
		}
	}
	if d.Allow.Empty() {
		d.Allow.Accounts, d.Allow.Partition = own.Accounts, cmp.Or(d.Allow.Partition, own.Partition)
	}
	return pluginIdentity{NewKMSIdentity(ctx, kms, d.Allow, d.Expect)}, nil
}

// PluginRecipient returns the recipient of the data.
func PluginRecipient(ctx context.Context, kms KMS, data []byte) (age.Recipient, error) {
	var d PluginRecipientData
	if err := strictly(data, &d); err != nil {
		return nil, fmt.Errorf("reading the recipient of the plugin: %w", err)
	}
	return NewKMSRecipient(ctx, kms, d.Keys, d.Context, 0, nil).Labeled(d.Labels), nil
}

func strictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("there is more after it")
	}
	return nil
}

// pluginIdentity says why it did not open a file that is for it: to age an incorrect
// identity is one to pass over in silence.
type pluginIdentity struct{ *KMSIdentity }

func (i pluginIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := i.KMSIdentity.Unwrap(stanzas)
	var tried *AttemptsError
	if errors.As(err, &tried) {
		text := tried.Error()
		if slices.ContainsFunc(tried.Attempts, func(a Attempt) bool { return errors.Is(a.Err, errNotAllowed) }) {
			text += "\nkeyreach backup restore calls others with --kms-key and --kms-account"
		}
		return nil, errors.New(text)
	}
	return key, err
}

// PluginMain answers as age-plugin-keyreach, and returns the exit code. The arguments are
// those after the name of the program; own allows the keys of the caller's account.
func PluginMain(ctx context.Context, kms KMS, own AllowList, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p, err := plugin.New(PluginName)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	flags := flag.NewFlagSet("age-plugin-"+PluginName, flag.ContinueOnError)
	flags.SetOutput(stderr)
	p.RegisterFlags(flags)
	p.SetIO(stdin, stdout, stderr)
	p.HandleIdentity(func(data []byte) (age.Identity, error) { return PluginIdentity(ctx, kms, own, data) })
	p.HandleRecipient(func(data []byte) (age.Recipient, error) { return PluginRecipient(ctx, kms, data) })
	flags.Usage = func() { fmt.Fprint(stderr, pluginUsage) }
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 4
	}
	if machine := flags.Lookup(pluginFlag); machine == nil || machine.Value.String() == "" {
		fmt.Fprint(stderr, pluginUsage)
		return 4
	}
	return p.Main()
}
