package live

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc64"
	"math/bits"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// CRC64NVME is what S3 keeps of a whole object, also of one in parts. See
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html.
const crcName = "CRC64NVME"

// crcPolynomial is that of NVMe's command set, reflected.
const crcPolynomial = 0x9a6c9329ac4bc9b5

var crcTable = crc64.MakeTable(crcPolynomial)

// crcOf goes on with a checksum, which begins as 0.
func crcOf(sum uint64, b []byte) uint64 {
	return crc64.Update(sum, crcTable, b)
}

// crcText is a checksum as S3 writes it.
func crcText(sum uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum))
}

// crcRead reads a checksum of S3's; false when it is none.
func crcRead(text *string) (uint64, bool) {
	b, err := base64.StdEncoding.DecodeString(aws.ToString(text))
	if err != nil || len(b) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

// crcTold is the checksum of an object as a store tells it; false when S3 keeps another.
func crcTold(text string) (uint64, bool) {
	rest, ok := strings.CutPrefix(text, crcName+":")
	if !ok {
		return 0, false
	}
	return crcRead(&rest)
}

// crcJoin is the checksum of bytes that others of a length follow, from those of both.
// Since a checksum is linear, it also takes the first away again: crcJoin(first, whole, n)
// is that of the n bytes that follow.
func crcJoin(first, second uint64, length int64) uint64 {
	var zero [64]uint64 // what one zero bit behind does to each bit of a checksum
	zero[0] = crcPolynomial
	for i := 1; i < len(zero); i++ {
		zero[i] = 1 << (i - 1)
	}
	for n := uint64(length) * 8; n > 0; n >>= 1 {
		if n&1 != 0 {
			first = crcApply(&zero, first)
		}
		var twice [64]uint64
		for i := range zero {
			twice[i] = crcApply(&zero, zero[i])
		}
		zero = twice
	}
	return first ^ second
}

func crcApply(m *[64]uint64, v uint64) (sum uint64) {
	for ; v != 0; v &= v - 1 {
		sum ^= m[bits.TrailingZeros64(v)]
	}
	return sum
}
