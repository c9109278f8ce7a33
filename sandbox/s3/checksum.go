package s3

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The checksums that the sandbox has. AWS has some more, which are refused.
// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.
const (
	crc32IEEE = "CRC32"
	crc32C    = "CRC32C"
	crc64NVME = "CRC64NVME"
	sha1Sum   = "SHA1"
	sha256Sum = "SHA256"
)

var algorithms = [...]string{crc32IEEE, crc32C, crc64NVME, sha1Sum, sha256Sum}

// nvme is the polynomial of CRC64NVME, reflected, as NVMe's command set has it.
const nvme = 0x9a6c9329ac4bc9b5

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvmeTable  = crc64.MakeTable(nvme)
)

// newSum returns a hash; nil for an algorithm that the sandbox does not have.
func newSum(algorithm string) hash.Hash {
	switch algorithm {
	case crc32IEEE:
		return crc32.NewIEEE()
	case crc32C:
		return crc32.New(castagnoli)
	case crc64NVME:
		return crc64.New(nvmeTable)
	case sha1Sum:
		return sha1.New()
	case sha256Sum:
		return sha256.New()
	}
	return nil
}

// isCRC reports whether the checksum of an object can be worked out from those of its
// parts.
func isCRC(algorithm string) bool { return strings.HasPrefix(algorithm, "CRC") }

func encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// stated are the checksums that a struct of the SDK's has, by algorithm.
func stated(in any) (map[string]string, error) {
	v := reflect.Indirect(reflect.ValueOf(in))
	out := map[string]string{}
	for i := range v.NumField() {
		name, ok := strings.CutPrefix(v.Type().Field(i).Name, "Checksum")
		if !ok {
			continue
		}
		text, ok := v.Field(i).Interface().(*string)
		if !ok || text == nil {
			continue
		}
		h := newSum(name)
		if h == nil {
			return nil, notImplemented("checksums of the algorithm " + name)
		}
		if sum, err := base64.StdEncoding.DecodeString(strings.SplitN(*text, "-", 2)[0]); err != nil || len(sum) != h.Size() {
			return nil, bad("InvalidRequest", "Value for x-amz-checksum-"+strings.ToLower(name)+" header is invalid.")
		}
		out[name] = *text
	}
	if len(out) > 1 {
		return nil, bad("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	return out, nil
}

// show writes checksums into a struct of the SDK's.
func show(out any, sums map[string]string) {
	v := reflect.ValueOf(out).Elem()
	for name, text := range sums {
		if f := v.FieldByName("Checksum" + name); f.IsValid() {
			f.Set(reflect.ValueOf(&text))
		}
	}
}

// copyFields copies the members that two structs of the SDK's have alike.
func copyFields(to, from any) {
	dst, src := reflect.ValueOf(to).Elem(), reflect.Indirect(reflect.ValueOf(from))
	for i := range dst.NumField() {
		f := src.FieldByName(dst.Type().Field(i).Name)
		if dst.Type().Field(i).IsExported() && f.IsValid() && f.Type() == dst.Field(i).Type() {
			dst.Field(i).Set(f)
		}
	}
}

// composite is the checksum of the checksums of the parts.
func composite(algorithm string, parts []Piece) string {
	h := newSum(algorithm)
	for i := range parts {
		sum, _ := base64.StdEncoding.DecodeString(parts[i].Sums[algorithm]) // our own
		h.Write(sum)
	}
	return encode(h.Sum(nil))
}

// whole is the CRC of an object, from those of its parts.
func whole(algorithm string, parts []Piece) string {
	poly, size := uint64(crc32.IEEE), 4
	switch algorithm {
	case crc32C:
		poly = crc32.Castagnoli
	case crc64NVME:
		poly, size = nvme, 8
	}
	var all uint64
	for i := range parts {
		sum, _ := base64.StdEncoding.DecodeString(parts[i].Sums[algorithm]) // our own
		wide := make([]byte, 8)
		copy(wide[8-len(sum):], sum)
		all = joinCRC(poly, all, binary.BigEndian.Uint64(wide), parts[i].Size)
	}
	out := binary.BigEndian.AppendUint64(nil, all)
	return encode(out[8-size:])
}

// matrix is a linear map of the bits of a CRC.
type matrix [64]uint64

func (m *matrix) times(v uint64) (sum uint64) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func (m *matrix) squared() (out matrix) {
	for i := range m {
		out[i] = m.times(m[i])
	}
	return out
}

// joinCRC is the CRC of bytes that are followed by others of a length, from the CRCs of
// both: the first moved on by as many zero bytes, which is linear.
func joinCRC(poly, first, second uint64, length int64) uint64 {
	// One zero bit.
	var m matrix
	m[0] = poly
	for i := 1; i < len(m); i++ {
		m[i] = 1 << (i - 1)
	}
	for range 3 { // one zero byte
		m = m.squared()
	}
	for ; length > 0; length >>= 1 {
		if length&1 != 0 {
			first = m.times(first)
		}
		m = m.squared()
	}
	return first ^ second
}

// typeOf is the kind that the checksum of a whole upload has when nobody chose.
func typeOf(algorithm string) types.ChecksumType {
	if algorithm == crc64NVME {
		return types.ChecksumTypeFullObject
	}
	return types.ChecksumTypeComposite
}

// etagOf is the ETag of an object that was put in parts.
func etagOf(sums []byte) string {
	sum := md5.Sum(sums)
	return hexOf(sum[:])
}
