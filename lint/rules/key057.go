package rules

import (
	"slices"

	"github.com/keyreach/keyreach/finding"
	"github.com/keyreach/keyreach/internal/lazy"
)

func key057() Rule {
	return Rule{
		ID: "KEY057", Severity: finding.Info,
		Title: "Rotation is taken for more than it is",
		Text: "Automatic rotation gives a key new material for what is encrypted from then on. What is there is not encrypted again, and the old " +
			"material stays: rotation mends no leaked data key and no lost key. Asymmetric keys, HMAC keys and keys in custom stores do not rotate.",
		Fix:   "Say what rotation does not do; encrypt data again where that is meant.",
		Page:  "https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html",
		Check: rotationClaims,
		Fires: []Example{
			{"main.tf", "resource \"aws_kms_key\" \"sign\" {\n  customer_master_key_spec = \"RSA_2048\"\n  enable_key_rotation      = true\n}\n"},
			{"guide.md", "# KMS\n\nRotation re-encrypts all existing data with the new key.\n"},
			{"guide.md", "# KMS\n\nEnable automatic key rotation for safety.\n"},
		},
		Silent: []Example{
			{"guide.md", "# KMS\n\nEnable automatic key rotation; it does not re-encrypt existing data.\n"},
			{"guide.md", "# KMS\n\nRotate access keys every 90 days.\n"},
		},
	}
}

var (
	reencrypts   = lazy.Regexp(`\brotat\w+\b.{0,60}\bencrypt(s|ed)? (again|anew)\b|\brotat\w+\b.{0,60}\b(re-?encrypts?|re-?encrypted|re-?encrypting)\b|\brotat\w+\b.{0,60}\b(old|existing|previous|leaked|compromised) (data|backups?|ciphertexts?|objects|keys?|material)\b.{0,60}\b(useless|safe|protected|worthless|invalid|unreadable|deleted|removed)\b`)
	rotateAdvice = lazy.Regexp(`\b(enable|use|consider|turn on|configure|set up|activate|automatic|automated|yearly|annual)\b.{0,30}\b(key )?rotation\b|\brotate\b.{0,20}\b(kms |encryption |the |your |customer |cmk )*keys?\b|\bkeys?\b.{0,20}\b(are|is|get|gets) (\w+ )?rotated\b`)
	otherKeys    = lazy.Regexp(`\b(access|api|ssh|signing|host|gpg|tls|certificate|secret|password|credential)s?\b.{0,10}\b(keys?|rotation|rotated?)\b|\brotat\w+\b.{0,20}\b(access|api|ssh|gpg|secret|password|credential|log|certificate)s?\b|\bmanual key rotation required\b`)
	rotationTold = lazy.Regexp(`\b(not|n't|never|no)\b.{0,30}\bre-?encrypt|\bold (key )?material\b.{0,30}\b(kept|stays|remains|retained)\b|\b(previous|old|existing) (data|ciphertexts?)\b.{0,40}\b(not|old key|previous)\b`)
	aboutKMS     = lazy.Regexp(`\bkms\b|\bcmks?\b|customer[- ]managed key`)
)

// misbelief marks a sentence that tells what others think.
var misbelief = lazy.Regexp(`\b(assum\w+|believ\w+|myths?|misconceptions?|mistak\w+|wrongly)\b`)

func rotationClaims(m *Material, r *Report) {
	told, said := m.says(rotationTold), map[string]bool{}
	kms := m.says(aboutKMS)
	for _, s := range m.sentences() {
		switch {
		case !kms || misbelief.MatchString(s.text) || otherKeys.MatchString(s.text):
		case reencrypts.MatchString(s.text) && !s.denies():
			r.Add(s.at, "", "rotation does not encrypt again what is there: it stays under the old material", "encrypt the data again where that is meant")
		case !told && !said[s.under] && rotateAdvice.MatchString(s.text) && !s.denies():
			said[s.under] = true // once for each section
			r.Add(s.at, "", "rotation gives new material for new data only: what is there stays under the old material, and the key can still be lost",
				"say what rotation does not do")
		}
	}
	rotatedResources(m, r)
	made := map[int]*Command{}
	for _, c := range m.Commands {
		if c.Is("kms", "create-key") {
			made[c.Script] = c
		}
		create := made[c.Script]
		if key, ok := c.Value("--key-id"); c.Is("kms", "enable-key-rotation") && ok && create != nil && create.Into != "" && variableOf(key) == create.Into && unrotatable(create) != "" {
			r.Add(c.Pos, c.name(), "the key that the script made is "+unrotatable(create)+", which does not rotate by itself", "leave rotation out, or make a new key in its place")
		}
	}
}

// rotatedResources reports a declared key that is to rotate and cannot. AWS
// refuses the request.
func rotatedResources(m *Material, r *Report) {
	for _, k := range m.Keys {
		if k.Resource == nil {
			continue
		}
		neverRotated(m, k, r)
		why := unfit(k.Spec, k.Usage)
		if why == "" && k.Origin != "" && k.Origin != "AWS_KMS" {
			why = "a key of the origin " + k.Origin
		}
		for _, name := range []string{"enable_key_rotation", "EnableKeyRotation", "enableKeyRotation"} {
			for _, n := range dig(k.Resource.Body, name) {
				if why != "" && n.Text == "true" {
					r.AddAs(finding.Info, m.nodeAt(n.Pos), k.Name, k.Name+" is "+why+", which does not rotate by itself", "leave rotation out")
				}
			}
		}
	}
}

// unrotatable says why a key that a command makes has no automatic rotation,
// or "".
func unrotatable(c *Command) string {
	if spec, _ := c.known("--key-spec"); spec != "" && spec != "SYMMETRIC_DEFAULT" {
		return "a key of the spec " + spec
	}
	if origin, _ := c.known("--origin"); origin != "" && origin != "AWS_KMS" {
		return "a key of the origin " + origin
	}
	return ""
}

// neverRotated notes a key of a template whose rotation nobody turns on: it is off
// unless the template says otherwise.
func neverRotated(m *Material, k *Key, r *Report) {
	if k.Resource.Type != "AWS::KMS::Key" || unfit(k.Spec, k.Usage) != "" || k.Origin != "" && k.Origin != "AWS_KMS" || len(dig(k.Resource.Body, "EnableKeyRotation")) > 0 {
		return
	}
	if !slices.ContainsFunc(m.Commands, func(c *Command) bool { return c.Is("kms", "enable-key-rotation") }) {
		r.Add(k.Pos, k.Name, "the key keeps one material for ever: rotation is off unless the template turns it on", "set EnableKeyRotation: true, if new material for new data is wanted")
	}
}
