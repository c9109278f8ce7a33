package input_test

import (
	"strings"
	"testing"

	"github.com/keyreach/keyreach/lint/input"
)

const serverless = `Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Policies:
      - AWSLambdaBasicExecutionRole
      - KMSDecryptPolicy: {KeyId: !Ref Key}
      - Statement:
        - {Effect: Allow, Action: kms:Decrypt, Resource: !GetAtt Key.Arn}
`

const template = `AWSTemplateFormatVersion: '2010-09-09'
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      Enabled: false
      KeySpec: RSA_2048
      KeyUsage: !Ref Usage
      KeyPolicy:
        Version: '2012-10-17'
        Statement:
        - Effect: Allow
          Principal: {AWS: !Join [':', ['arn:aws:iam:', !Ref 'AWS::AccountId', root]]}
          Action: kms:*
          Resource: '*'
        - !If
          - Shared
          - {Sid: s, Effect: Allow, Principal: {AWS: !Sub 'arn:aws:iam::${Other}:root'}, Action: kms:Decrypt, Resource: '*'}
          - !Ref AWS::NoValue
        - !If [Logged, !Ref One, !Ref Two]
  Name:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/main, TargetKeyId: !GetAtt Key.Arn}
  Worker:
    Type: AWS::IAM::Role
    Properties:
      PermissionsBoundary: !Ref Limit
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}]
      Policies:
      - PolicyName: use
        PolicyDocument: {Version: 2012-10-17, Statement: {Effect: Allow, Action: kms:Decrypt, Resource: !ImportValue {'Fn::Sub': '${Stack}-Key'}}}
  Limit:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: '*', Resource: '*'}]}
  Bus:
    Type: AWS::Custom::Thing
    Properties:
      AccessPolicy: {Version: 2012-10-17, Statement: [{Effect: Allow, Principal: '*', Action: events:PutEvents, Resource: '*'}]}
      Rules: {Statement: [{Effect: Allow, Action: kms:Decrypt, Resource: '*'}]}
`

func TestDeclarationsAreRead(t *testing.T) {
	t.Parallel()
	tests := []struct{ about, name, text, format, want string }{
		{"a template of CloudFormation", "t.yaml", template, "CloudFormation template",
			"key! 3@10:9 of Key; trust! 1@29:9 of Worker on Worker; identity! 1@32:26 of Worker on Worker; boundary! 1@36:24 of Limit; resource 1@40:22 of Bus; KEY Key with policy Disabled RSA_2048  alias/main"},
		{"a template of SAM", "t.yaml", serverless, "CloudFormation template", "identity! 1@9:9 of Function"},
		{"a template of the CDK", "cdk.out/S.template.json", `{"Resources": {"K": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": ` + doc(rootAllowed) + `}, "Metadata": {"aws:cdk:path": "S/K"}}}}`, "CDK template", "key! 1@1:75 of K; KEY K with policy"},
		{"a template of the Serverless Framework", "serverless.yml", "service: s\nprovider:\n  iam:\n    role:\n      statements:\n      - {Effect: Allow, Action: kms:Decrypt, Resource: '*'}\nresources:\n  Resources:\n    K: {Type: AWS::KMS::Key, Properties: {MultiRegion: true}}\n", "CloudFormation template", "identity 1@6:7; KEY K"},
		{"a policy that a condition chooses", "t.json", `{"Resources": {"K": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Fn::If": ["c", ` + doc(rootAllowed) + `, ` + doc(rootAllowed, denyAll) + `]}}}}}`, "CloudFormation template",
			"key! 1@1:92 of K; key! 2@1:236 of K; KEY K with policy"},
		{"a task of Ansible", "main.yml", "- name: make it\n  community.aws.kms_key:\n    alias: alias/x\n    region: eu-west-1\n    policy: '" + doc(rootAllowed) + "'\n    grants:\n    - {name: g, grantee_principal: 'arn:aws:iam::111122223333:role/r', operations: [Decrypt]}\n", "Ansible tasks",
			"key! 1@5:14 of alias/x; KEY alias/x with policy   eu-west-1; grant arn:aws:iam::111122223333:role/r [Decrypt] on alias/x"},
		{"a playbook with a block, a vault and a lookup", "site.yml", "- hosts: all\n  vars:\n    secret: !vault |\n      $ANSIBLE_VAULT;1.1\n      3132\n  tasks:\n  - block:\n    - name: k\n      kms_key: {alias: x, policy: \"{{ lookup('template', 'p.json.j2') | to_json }}\"}\n    - iam_policy: {iam_name: r, iam_type: role, policy_name: p, state: present, policy_json: {Version: '2012-10-17', Statement: [" + decryptAny + "]}}\n", "Ansible tasks",
			"identity! 1@10:95 of r on r; KEY x"},
		{"a key of Crossplane", "k.yaml", "apiVersion: kms.aws.upbound.io/v1beta1\nkind: Key\nmetadata: {name: k}\nspec:\n  forProvider:\n    region: us-east-1\n    multiRegion: true\n    policy: |\n      " + doc(rootAllowed) + "\n---\napiVersion: iam.aws.upbound.io/v1beta1\nkind: RolePolicy\nmetadata: {name: rp}\nspec: {forProvider: {role: r, policy: '" + doc(decryptAny) + "'}}\n", "Kubernetes manifest",
			"key! 1@9:7 of k; identity! 1@14:40 of rp on r; KEY k with policy   us-east-1"},
		{"a composition that patches", "c.yaml", "apiVersion: apiextensions.crossplane.io/v1\nkind: Composition\nspec:\n  resources:\n  - base:\n      apiVersion: kms.aws.upbound.io/v1beta1\n      kind: Key\n      metadata: {name: a}\n      spec: {forProvider: {policy: '" + doc(rootAllowed) + "'}}\n    patches:\n    - {fromFieldPath: spec.p, toFieldPath: spec.forProvider.policy}\n", "Kubernetes manifest", "KEY a"},
		{"a key and a grant of ACK", "k.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: kms.services.k8s.aws/v1alpha1\n  kind: Key\n  metadata: {name: k, annotations: {services.k8s.aws/region: eu-west-1}}\n  spec: {enabled: false, policy: '" + doc(rootAllowed) + "'}\n- apiVersion: kms.services.k8s.aws/v1alpha1\n  kind: Grant\n  metadata: {name: g}\n  spec: {keyID: k, granteePrincipal: drs.amazonaws.com, operations: [Decrypt]}\n", "Kubernetes manifest",
			"key! 1@7:35 of k; KEY k with policy Disabled  eu-west-1; grant drs.amazonaws.com [Decrypt] on k"},
		{"a map with a policy in it", "c.yaml", "apiVersion: v1\nkind: ConfigMap\ndata:\n  policy.json: |\n    " + doc(decryptAny) + "\n", "Kubernetes manifest", "identity 1@5:5"},
		{"the answer of kms:ListGrants", "g.json", `{"Grants": [{"KeyId": "k", "GrantId": "g", "GranteeServicePrincipal": "dynamodb.amazonaws.com", "Operations": ["Encrypt"], "CreationDate": 1444151269.5}]}`, "grants", "grant dynamodb.amazonaws.com [Encrypt] on k"},
		{"a request for kms:CreateGrant", "g.json", `{"KeyId": "k", "GranteePrincipal": "arn:aws:iam::111122223333:role/r", "Operations": ["Decrypt"]}`, "grants", "grant arn:aws:iam::111122223333:role/r [Decrypt] on k"},
		{"the routes", "keyreach.yaml", "format_version: 1\nroutes: []\n", "keyreach.yaml", ""},
	}
	for _, tt := range tests {
		t.Run(tt.about, func(t *testing.T) {
			t.Parallel()
			readsAs(t, tt.name, tt.text, tt.format, tt.want)
		})
	}
}

func TestExpressionsBecomeTextsWithWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	m, err := input.Read("t.yaml", []byte(template))
	if err != nil {
		t.Fatal(reasons(err))
	}
	s := m.Policies[0].Doc.Statements
	if got := s[0].Principal.Groups[0].Names.Values[0]; got.Text != "arn:aws:iam::${AWS::AccountId}:root" || !got.Unknown {
		t.Errorf("the principal is %+v", got)
	}
	if !s[2].Opaque || s[1].Opaque {
		t.Errorf("of the choices only the one of references is not known: %v, %v", s[1].Opaque, s[2].Opaque)
	}
	if got := m.Policies[2].Doc.Statements[0].Resource.Values[0]; got.Text != "${ImportValue.Stack-Key}" || !got.Unknown {
		t.Errorf("the imported value is %+v", got)
	}
	if got := body(t, m, "Key").Field("KeyUsage"); got.Text != "${Usage}" {
		t.Errorf("the usage is %+v", got)
	}
	if m.Keys[0].Usage != "" {
		t.Errorf("the usage of the key is taken to be known: %q", m.Keys[0].Usage)
	}
}

func TestStatementsOfBothBranchesHaveASidOnce(t *testing.T) {
	t.Parallel()
	one := strings.Replace(rootAllowed, "{", `{"Sid":"s",`, 1)
	m, err := input.Read("t.json", []byte(`{"KeyPolicy": {"Version":"2012-10-17","Statement":[{"Fn::If":["c",`+one+`,[`+one+`,`+denyAll+`]]}]}}`))
	if err != nil || len(m.Policies) != 1 {
		t.Fatal(len(m.Policies), reasons(err))
	}
	if p := m.Policies[0]; len(p.Doc.Statements) != 3 || len(p.Read) != 0 {
		t.Errorf("%d statements, findings %v", len(p.Doc.Statements), p.Read)
	}
}

func TestGrantsSayWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	m, err := input.Read("g.json", []byte(`[{"KeyId": "<key>", "GranteePrincipal": "", "Operations": ["Decrypt", "${op}"]},
{"GrantId": "g", "KeyId": "k", "GranteePrincipal": "arn:aws:iam::111122223333:root", "RetiringPrincipal": "arn:aws:iam::${a}:root", "CreationDate": "2026-01-02T03:04:05+01:00", "Operations": ["Decrypt"], "Constraints": {"EncryptionContextSubset": {"a": "b"}}}]`))
	if err != nil || len(m.Grants) != 2 {
		t.Fatal(len(m.Grants), reasons(err))
	}
	a, b := m.Grants[0], m.Grants[1]
	if !a.UnknownGrantee || !a.UnknownOperations || a.FromAWS || len(a.Operations) != 1 {
		t.Errorf("the request: %+v", a)
	}
	if !b.FromAWS || !b.RetiringIsUnknown || b.Created != "2026-01-02T02:04:05Z" || b.Constraints.Field("EncryptionContextSubset") == nil {
		t.Errorf("the grant: %+v", b)
	}
}
