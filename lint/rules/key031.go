package rules

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key031() Rule {
	return Rule{
		ID: "KEY031", Severity: finding.Critical,
		Title: "More than 4,096 bytes are to be encrypted by KMS itself",
		Text:  "Encrypt takes 4,096 bytes at most, enough for a password or a data key. A file is encrypted under a data key, and KMS encrypts that.",
		Fix:   "Use GenerateDataKey and encrypt with the data key (the AWS Encryption SDK does), or have S3 encrypt.",
		Page:  "https://docs.aws.amazon.com/kms/latest/APIReference/API_Encrypt.html",
		Check: bigPlaintext,
		Fires: []Example{
			{"script.sh", "tar czf - /etc | aws kms encrypt --key-id alias/app --plaintext fileb:///dev/stdin\n"},
			{"script.sh", "aws kms encrypt --key-id alias/app --plaintext fileb://dump.sql.gz\n"},
		},
		Silent: []Example{
			{"script.sh", "echo secret | aws kms encrypt --key-id alias/app --plaintext fileb:///dev/stdin\naws kms encrypt --key-id alias/app --plaintext fileb://data.key\n"},
		},
	}
}

// bigFiles are the ends of names of files that are rarely so small.
func bigFiles() []string {
	return []string{".tar", ".gz", ".tgz", ".zip", ".bz2", ".xz", ".zst", ".7z", ".sql", ".dump", ".bak", ".iso", ".img", ".vmdk", ".vhd", ".mp4", ".pdf", ".csv", ".parquet", ".db", ".sqlite", ".snapshot", ".backup"}
}

// bigSources are the commands whose output is rarely so small.
func bigSources() []string {
	return []string{"tar", "gzip", "bzip2", "xz", "zstd", "zip", "pg_dump", "pg_dumpall", "mysqldump", "mongodump", "dd"}
}

var (
	bigThings  = lazy.Regexp(`\b(encrypt\w*|kms)\b.{0,60}\b(backups?|archives?|dumps?|tarballs?|files|database|disk|snapshots?|objects)\b`)
	bigSize    = lazy.Regexp(`\b(backup|file|archive|dump|snapshot|size)s?\b.{0,30}\b\d+(\.\d+)? ?([kmg]i?b)\b`)
	byEnvelope = lazy.Regexp(`\benvelope\b|\bdata keys?\b|\bencryption sdk\b|\bgeneratedatakey\b|4,?096|\b4 ?kb\b`)
)

func bigPlaintext(m *Material, r *Report) {
	told := map[int]bool{}
	most := awsfacts.Limits().PlaintextBytes
	for _, c := range m.Commands {
		if !c.Is("kms", "encrypt") {
			continue
		}
		w, ok := c.Value("--plaintext")
		if !ok {
			continue
		}
		if what := bigInput(c, w, most); what != "" {
			r.Add(w.Pos, c.name(), fmt.Sprintf("%s: Encrypt takes %d bytes at most", what, most), "encrypt it under a data key")
			continue
		}
		if !told[c.Script] && encryptsFiles(m) {
			told[c.Script] = true
			r.AddAs(finding.Warning, w.Pos, c.name(), fmt.Sprintf("the text is about data that is bigger than the %d bytes that Encrypt takes: what works for this test fails for it", most),
				"encrypt it under a data key of GenerateDataKey, or have S3 encrypt it")
		}
	}
}

func bigInput(c *Command, w Word, most int) string {
	file, isFile := strings.CutPrefix(w.Text, "fileb://")
	if !isFile {
		file, isFile = strings.CutPrefix(w.Text, "file://")
	}
	switch {
	case isFile && slices.Contains(bigFiles(), strings.ToLower(path.Ext(file))):
		return path.Base(file) + " is a file of any length"
	case isFile && c.Stdin != nil && len(c.Stdin.Words) > 0 && slices.Contains(bigSources(), path.Base(c.Stdin.Words[0].Text)):
		return "the output of " + path.Base(c.Stdin.Words[0].Text) + " is of any length"
	case !isFile && !w.Unknown && len(w.Text) > most*4/3+4:
		return "the plaintext is too long"
	}
	return ""
}

// encryptsFiles reports whether the text encrypts things of any length with KMS
// and knows no data key.
func encryptsFiles(m *Material) bool {
	for _, c := range m.Commands {
		if strings.HasPrefix(c.Operation, "generate-data-key") {
			return false
		}
	}
	return (m.says(bigThings) || m.says(bigSize)) && m.says(bigSize) && !m.says(byEnvelope)
}
