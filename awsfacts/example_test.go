package awsfacts_test

import (
	"fmt"

	"github.com/keyreach/keyreach/awsfacts"
)

func ExampleKMSAction() {
	_, operation := awsfacts.KMSAction("kms:ReEncrypt")
	half, ok := awsfacts.KMSAction("KMS:reencryptfrom")
	fmt.Println(operation, ok, half.Name, half.AccessLevel, half.ResourceTypes)
	// Output: false true kms:ReEncryptFrom Write [key]
}

func ExampleActionsMatching() {
	fmt.Println(awsfacts.ActionsMatching("kms:reencrypt*"))
	// Output: [kms:ReEncryptFrom kms:ReEncryptTo]
}

func ExampleLookupConditionKey() {
	key, _ := awsfacts.LookupConditionKey("kms:resourcealiases")
	fmt.Println(key.Name, key.Type, key.Multivalued)
	key, _ = awsfacts.LookupConditionKey("aws:PrincipalTag/team")
	fmt.Println(key.Name, key.Type, key.Multivalued)
	// Output:
	// kms:ResourceAliases String true
	// aws:PrincipalTag/${TagKey} String false
}

func ExampleCarries() {
	carries, known := awsfacts.Carries("kms:DescribeKey", "kms:EncryptionContext:aws:ebs:id")
	fmt.Println(carries, known)
	// Output: false true
}

func ExampleKMSOperation() {
	op, _ := awsfacts.KMSOperation("kms:CreateGrant")
	fmt.Println(op.CrossAccount, op.Identifiers, op.DryRun)
	// Output: true key-id key-arn true
}

func ExampleInState() {
	rule := awsfacts.InState("kms:Decrypt", awsfacts.PendingDeletion)
	fmt.Println(rule.OK, rule.Exceptions, rule.Note)
	rule = awsfacts.InState("kms:PutKeyPolicy", awsfacts.PendingDeletion)
	fmt.Println(rule.OK, rule.Confidence)
	// Output:
	// false [KMSInvalidStateException DisabledException] both codes are documented; match either
	// true recorded
}

func ExampleServiceLinkedRoleFor() {
	role, _ := awsfacts.ServiceLinkedRoleFor("AWSServiceRoleForAutoScaling_web")
	fmt.Println(role.Path, role.KMSUse, role.UsesEBS)
	// Output: /aws-service-role/autoscaling.amazonaws.com/ false true
}

func ExampleViaServiceName() {
	service, region, documented := awsfacts.ViaServiceName("drs.us-east-1.amazonaws.com")
	fmt.Println(service, region, documented)
	// Output: drs us-east-1 false
}

func ExampleRCPCovers() {
	fmt.Println(awsfacts.RCPCovers("kms:Decrypt"), awsfacts.RCPCovers("kms:RetireGrant"), awsfacts.RCPCovers("ec2:RunInstances"))
	// Output: true false false
}

func ExamplePartitionOf() {
	p, _ := awsfacts.PartitionOf("cn-north-1")
	fmt.Println(p.Name, p.DNSSuffix)
	// Output: aws-cn amazonaws.com.cn
}

func ExampleLimits() {
	l := awsfacts.Limits()
	fmt.Println(l.KeyPolicyBytes, l.GrantsPerKey, l.DeletionWaitDefaultDays)
	// Output: 32768 50000 30
}
