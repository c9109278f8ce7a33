package envelope_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/keyreach/keyreach/backup/envelope"
)

const pluginProgram = "age-plugin-" + envelope.PluginName

// TestMain answers as the plugin when age starts this program under that name. The fake
// KMS needs no state for that.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == pluginProgram {
		os.Exit(envelope.PluginMain(context.Background(), newFakeKMS(), of(account), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// stockAge runs the age that is installed, with the plugin on its PATH.
func stockAge(t *testing.T, stdin []byte, args ...string) ([]byte, error) {
	t.Helper()
	program, err := exec.LookPath("age")
	if err != nil {
		t.Skip("age is not installed")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, pluginProgram)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Log(stderr.String())
	}
	return out, err
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStockAgeOpensOurs(t *testing.T) {
	t.Parallel()
	local := x25519(t)
	plain := content(200_000)
	key := write(t, local.String()+"\n")
	empty, err := envelope.PluginIdentityData{}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := envelope.PluginIdentityData{Allow: allowed(keyOne), Expect: backupContext}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	all := []age.Recipient{kmsRecipient(newFakeKMS(), keyOne), local.Recipient()}
	for name, c := range map[string]struct {
		recipients []age.Recipient
		args       []string
	}{
		"by a native identity":            {all[1:], []string{"-i", key}},
		"by a native identity beside KMS": {all, []string{"-i", key}},
		"by the plugin":                   {all[:1], []string{"-j", envelope.PluginName}},
		"by an identity file of it":       {all, []string{"-i", write(t, empty+"\n")}},
		"by an identity that says more":   {all, []string{"-i", write(t, narrow+"\n")}},
	} {
		got, err := stockAge(t, encrypt(t, plain, c.recipients...), append([]string{"-d"}, c.args...)...)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	wide, err := envelope.PluginIdentityData{Allow: allowed(keyTwo)}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stockAge(t, encrypt(t, plain, all[0]), "-d", "-i", write(t, wide+"\n")); err == nil {
		t.Error("a key was called that the identity does not allow")
	}
}

func TestOursOpensWhatStockAgeMakes(t *testing.T) {
	t.Parallel()
	local := x25519(t)
	plain := content(200_000)
	recipient, err := envelope.PluginRecipientData{Keys: []string{keyOne}, Context: backupContext}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		id   age.Identity
	}{
		"native":     {[]string{"-r", local.Recipient().String()}, local},
		"in armor":   {[]string{"-a", "-r", local.Recipient().String()}, local},
		"the plugin": {[]string{"-r", recipient}, kmsIdentity(newFakeKMS(), allowed(keyOne))},
		"both":       {[]string{"-r", recipient, "-r", local.Recipient().String()}, kmsIdentity(newFakeKMS(), allowed(keyOne))},
	} {
		file, err := stockAge(t, plain, c.args...)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := decrypt(file, archived, c.id); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestWhoeverCallsThePluginByHandIsToldWhatItIs(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]int{"": 4, "--help": 0, "backup list": 4} {
		var said bytes.Buffer
		if code := envelope.PluginMain(context.Background(), newFakeKMS(), of(account), strings.Fields(args), strings.NewReader(""), io.Discard, &said); code != want {
			t.Errorf("%q: exit code %d, expected %d", args, code, want)
		}
		if !strings.Contains(said.String(), "age -d -j keyreach") || !strings.HasSuffix(said.String(), "\n") {
			t.Errorf("%q: it says %q", args, said.String())
		}
	}
}

func TestThePluginTellsOfTheWayToOtherKeys(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	h, err := envelope.ReadHeader(bytes.NewReader(encrypt(t, content(10), kmsRecipient(k, keyOne))))
	if err != nil {
		t.Fatal(err)
	}
	id, err := envelope.PluginIdentity(context.Background(), k, of("999999999999"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &h.Stanzas[0]
	if _, err := id.Unwrap([]*age.Stanza{{Type: s.Type, Args: s.Args, Body: s.Body}}); err == nil || !strings.Contains(err.Error(), "keyreach backup restore calls others with --kms-key") {
		t.Errorf("a key of another account: %v", err)
	}
}

// of allows the keys of an account.
func of(account string) envelope.AllowList { return envelope.AllowList{Accounts: []string{account}} }

func TestThePluginCallsTheKeysOfTheCallersPartition(t *testing.T) {
	t.Parallel()
	k := newFakeKMS()
	chinese := strings.Replace(strings.Replace(keyOne, "arn:aws:", "arn:aws-cn:", 1), "us-east-1", "cn-north-1", 1)
	file := encrypt(t, content(10), kmsRecipient(k, chinese))
	for partition, opens := range map[string]bool{"": false, "aws": false, "aws-cn": true} {
		own := of(account)
		own.Partition = partition
		id, err := envelope.PluginIdentity(context.Background(), k, own, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decrypt(file, archived, id); (err == nil) != opens {
			t.Errorf("the caller's partition is %q: %v", partition, err)
		}
	}
}

func TestPluginDataIsReadStrictly(t *testing.T) {
	t.Parallel()
	ctx, k := context.Background(), newFakeKMS()
	for _, data := range []string{"x", `{"key":[]}`, `{"allow":{"acounts":["1"]}}`, `{} {}`} {
		if _, err := envelope.PluginIdentity(ctx, k, of(account), []byte(data)); err == nil {
			t.Errorf("the identity %s was taken", data)
		}
	}
	if _, err := envelope.PluginRecipient(ctx, k, nil); err == nil {
		t.Error("the empty recipient was taken")
	}
	id, err := envelope.PluginIdentity(ctx, k, of(account), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := id.Unwrap(nil); err != age.ErrIncorrectIdentity && !strings.Contains(err.Error(), age.ErrIncorrectIdentity.Error()) {
		t.Errorf("a file without KMS keys: %v", err)
	}
	if code := envelope.PluginMain(ctx, k, of(account), []string{"--age-plugin=other"}, strings.NewReader(""), io.Discard, io.Discard); code == 0 {
		t.Error("another machine was answered")
	}
	text, err := envelope.PluginRecipientData{Keys: []string{keyOne}, Context: backupContext}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if name, _, err := plugin.ParseRecipient(text); err != nil || name != envelope.PluginName {
		t.Errorf("%s: %s, %v", text, name, err)
	}
}
