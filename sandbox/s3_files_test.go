package sandbox_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// filesIn is how many files are in a directory.
func filesIn(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return len(list)
}

// orphan leaves a file that belongs to nothing, as an upload does that was cut off.
func orphan(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "o-orphan"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// crcOf is the checksum of a text as S3 writes it.
func crcOf(text string) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text))))
}
