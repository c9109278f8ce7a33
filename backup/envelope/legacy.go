package envelope

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/keyreach/keyreach/cloud"
)

// Legacy is the plaintext of a file that the backup scripts of
// https://github.com/ant31/etcd-ansible wrote: an etcd snapshot, or a tar.gz of a step-ca.
type Legacy struct {
	io.Reader
	// Form is kms-envelope, kms or openssl.
	Form string
	// Verified is set when all that is read is known to be what was written.
	Verified bool
	// Note says what is not known, empty when it is verified.
	Note string
}

const (
	// maxLegacy bounds the memory for a file that is verified as a whole before anything
	// of it is given away. The scripts' own AES-GCM takes no more at once.
	maxLegacy   = 2 << 30
	legacyNonce = 12
	saltedMagic = "Salted__"
	// legacyRounds is what the scripts give openssl enc: -pbkdf2 -iter 100000, whose hash
	// is SHA-256, see https://docs.openssl.org/3.0/man1/openssl-enc/.
	legacyRounds = 100000
)

// OpenLegacy opens a file by the ending of its name. Of .kms there are two forms: the
// length of a wrapped data key in four bytes, big-endian, that key, a nonce of 12 bytes
// and AES-256-GCM without additional data; or, of the first scripts, what kms:Encrypt made
// of the whole file. Neither has an encryption context, and neither tells its key's ARN, so
// the allowed keys are tried in turn; accounts alone do not do. Files of .enc are those of
// openssl enc -aes-256-cbc -pbkdf2, which nothing protects from being changed.
//
// Errors have the classes of Decrypt.
func OpenLegacy(ctx context.Context, name string, src io.Reader, kms KMS, allow AllowList, passphrase string) (*Legacy, error) {
	switch {
	case strings.HasSuffix(name, ".kms"):
		return openLegacyKMS(ctx, src, kms, allow)
	case strings.HasSuffix(name, ".enc"):
		return openLegacyEnc(strings.TrimSuffix(name, ".enc"), src, passphrase)
	}
	return nil, fmt.Errorf("opening %q: it ends neither in .kms nor in .enc", name)
}

func openLegacyKMS(ctx context.Context, src io.Reader, kms KMS, allow AllowList) (*Legacy, error) {
	file, err := io.ReadAll(io.LimitReader(src, maxLegacy+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the file: %w", err)
	case len(file) > maxLegacy:
		return nil, errors.New("reading the file: it is longer than 2 GiB, which is more than can be verified in memory")
	case len(file) < 4:
		return nil, Fail(Truncated, errors.New("reading the file: it ends within its first four bytes"))
	}
	length := int64(binary.BigEndian.Uint32(file))
	if length == 0 || length > maxBlob {
		return openBareBlob(ctx, file, kms, allow)
	}
	rest := file[4:]
	if int64(len(rest)) < length+legacyNonce+16 {
		return nil, Fail(Truncated, errors.New("reading the file: it ends before its data"))
	}
	wrapped, nonce, sealed := rest[:length], rest[length:length+legacyNonce], rest[length+legacyNonce:]
	key, err := openLegacyBlob(ctx, wrapped, kms, allow)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	if len(key) != 32 {
		return nil, Fail(Corrupt, fmt.Errorf("opening the file: its data key has %d bytes, not 32", len(key)))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("opening the file: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("opening the file: %w", err)
	}
	plain, err := gcm.Open(sealed[:0], nonce, sealed, nil)
	if err != nil {
		return nil, Fail(Corrupt, errors.New("opening the file: its data was changed, or its end is missing"))
	}
	return &Legacy{Reader: bytes.NewReader(plain), Form: "kms-envelope", Verified: true}, nil
}

// openBareBlob opens a file that is one CiphertextBlob. Assumed: the
// first four bytes of such a blob (AQICAH… or, of old, CiD… in base64) are never a length
// that a wrapped key has.
func openBareBlob(ctx context.Context, file []byte, kms KMS, allow AllowList) (*Legacy, error) {
	if len(file) > maxBlob {
		return nil, Fail(Corrupt, errors.New("reading the file: it has neither of the forms of a .kms file"))
	}
	plain, err := openLegacyBlob(ctx, file, kms, allow)
	if err != nil {
		return nil, err
	}
	return &Legacy{Reader: bytes.NewReader(plain), Form: "kms", Verified: true}, nil
}

// openLegacyBlob tries the allowed keys.
func openLegacyBlob(ctx context.Context, blob []byte, kms KMS, allow AllowList) ([]byte, error) {
	if len(allow.Keys) == 0 {
		return nil, Fail(NoKey, errors.New("opening the file: it does not tell its KMS key, so the key has to be named by its ARN"))
	}
	var attempts []Attempt
	for _, key := range allow.Keys {
		if _, err := readKey(key); err != nil {
			return nil, fmt.Errorf("opening the file: %w", err)
		}
		plain, err := kms.Decrypt(ctx, key, blob, nil)
		if err == nil {
			return plain, nil
		}
		var call *cloud.Error
		if errors.As(err, &call) && call.Code == "IncorrectKeyException" {
			err = Fail(NoKey, err)
		}
		attempts = append(attempts, Attempt{Key: key, Called: key, Err: err})
	}
	return nil, classify(&AttemptsError{attempts})
}

func openLegacyEnc(inner string, src io.Reader, passphrase string) (*Legacy, error) {
	if passphrase == "" {
		return nil, Fail(NoKey, errors.New("opening the file: it is encrypted with a passphrase, and there is none"))
	}
	head := make([]byte, len(saltedMagic)+8)
	n, ended, err := fill(src, head)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the file: %w", err)
	case !strings.HasPrefix(saltedMagic, string(head[:min(n, len(saltedMagic))])):
		return nil, Fail(Corrupt, errors.New("reading the file: it does not begin as a file of openssl enc with a salt"))
	case ended:
		return nil, Fail(Truncated, errors.New("reading the file: it ends before its data"))
	}
	key, err := pbkdf2.Key(sha256.New, passphrase, head[len(saltedMagic):], legacyRounds, 32+aes.BlockSize)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the file: %w", err)
	}
	defer clear(key)
	return openCBC(inner, src, key)
}

// openCBC opens what openssl encrypted with a key of 32 bytes and an initialization vector.
func openCBC(inner string, src io.Reader, key []byte) (*Legacy, error) {
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, fmt.Errorf("opening the file: %w", err)
	}
	r := &cbcReader{src: src, mode: cipher.NewCBCDecrypter(block, key[32:])}
	if err := r.begin(inner); err != nil {
		return nil, err
	}
	return &Legacy{Reader: r, Form: "openssl", Note: "openssl enc has no integrity: whether the file is as it was written cannot be known from it; compare it with the checksum that was kept beside it, or with what it unpacks to"}, nil
}

// cbcReader decrypts AES in CBC mode and takes the padding of PKCS #7 off its end. It holds
// one block back, since any block may be the last.
type cbcReader struct {
	src    io.Reader
	mode   cipher.BlockMode
	buf    [32 << 10]byte
	held   [aes.BlockSize]byte
	holds  bool
	out    []byte // decrypted and unread
	err    error
	opened []byte
}

// begin decrypts the first piece, and compares it with what its name says it is: nothing
// else tells a wrong passphrase.
func (r *cbcReader) begin(inner string) error {
	r.opened = make([]byte, 0, len(r.buf)+aes.BlockSize)
	r.next()
	var plain bool
	switch {
	case strings.HasSuffix(inner, ".tar.gz"):
		plain = bytes.HasPrefix(r.out, []byte{0x1f, 0x8b})
	case strings.HasSuffix(inner, ".db"):
		// The magic of bbolt after the head of its first page.
		plain = len(r.out) >= 20 && binary.LittleEndian.Uint32(r.out[16:]) == 0xED0CDAED
	default:
		plain = len(r.out) > 0 || errors.Is(r.err, io.EOF)
	}
	switch {
	case plain:
		return nil
	case r.err != nil && !errors.Is(r.err, io.EOF) && ClassOf(r.err) != NoKey && ClassOf(r.err) != Corrupt:
		return r.err
	}
	// A wrong end besides is what another passphrase makes of a short file.
	return Fail(NoKey, errors.New("opening the file: the passphrase does not open it"))
}

// Read implements io.Reader.
func (r *cbcReader) Read(b []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.next()
	}
	n := copy(b, r.out)
	r.out = r.out[n:]
	return n, nil
}

func (r *cbcReader) next() {
	n, ended, err := fill(r.src, r.buf[:])
	if err != nil {
		r.err = fmt.Errorf("reading the file: %w", err)
		return
	}
	if n%aes.BlockSize != 0 {
		r.err = Fail(Truncated, errors.New("reading the file: it ends within a block"))
		return
	}
	r.mode.CryptBlocks(r.buf[:n], r.buf[:n])
	r.out = r.opened[:0]
	if r.holds {
		r.out = append(r.out, r.held[:]...)
	}
	r.out = append(r.out, r.buf[:n]...)
	switch {
	case len(r.out) == 0:
		r.err = Fail(Truncated, errors.New("reading the file: it ends before its data"))
	case ended:
		r.out, r.err = unpad(r.out, r.holds)
	default:
		r.holds = true
		copy(r.held[:], r.out[len(r.out)-aes.BlockSize:])
		r.out = r.out[:len(r.out)-aes.BlockSize]
	}
}

// unpad takes the padding off. Where there is none the file was cut at a block or changed,
// or the passphrase is another; a file that was read up to here, after other pieces, makes
// the last unlikely.
func unpad(b []byte, after bool) ([]byte, error) {
	pad := int(b[len(b)-1])
	if pad == 0 || pad > aes.BlockSize || !bytes.HasSuffix(b, bytes.Repeat([]byte{byte(pad)}, pad)) {
		if !after && len(b) <= aes.BlockSize {
			return nil, Fail(NoKey, errors.New("opening the file: the passphrase does not open it, or it was changed"))
		}
		return b[:len(b)-aes.BlockSize], Fail(Corrupt, errors.New("reading the file: its last block is not the end of what was written: it was changed, or the passphrase is another"))
	}
	return b[:len(b)-pad], io.EOF
}
