package kms

import (
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyreach/keyreach/awsfacts"
	"github.com/keyreach/keyreach/sandbox/wire"
)

func refuse(code, text string) error { return wire.Refuse(code, text) }

func validation(text string) error { return refuse("ValidationException", text) }

// invalidCiphertext has no text at AWS.
func invalidCiphertext() error { return refuse("InvalidCiphertextException", "") }

func incorrectKey() error {
	return refuse("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
}

func dryRun() error {
	return refuse("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
}

func unsupported(text string) error { return refuse("UnsupportedOperationException", text) }

// inState refuses an operation that the key's state does not let through.
func (k *Key) inState(operation string) error {
	rule := awsfacts.InState("kms:"+operation, awsfacts.KeyState(k.State))
	if rule.OK {
		return nil
	}
	if len(rule.Exceptions) == 0 {
		return refuse("KMSInvalidStateException", awsfacts.KeyState(k.State).Message(k.arn))
	}
	if rule.Exceptions[0] == "UnsupportedOperationException" {
		return k.wrongOrigin()
	}
	return refuse(rule.Exceptions[0], awsfacts.KeyState(k.State).Message(k.arn))
}

// wrongOrigin refuses what keys with this origin do not have.
func (k *Key) wrongOrigin() error {
	return unsupported(k.arn + " origin is " + string(k.Origin) + " which is not valid for this operation.")
}

// usableFor refuses a key of another usage.
func (k *Key) usableFor(u types.KeyUsageType, operation string) error {
	if k.Usage == u {
		return nil
	}
	return refuse("InvalidKeyUsageException", k.arn+" key usage is "+string(k.Usage)+" which is not valid for "+operation+".")
}

// dry ends a dry run that would succeed.
func dry(flag *bool) error {
	if flag != nil && *flag {
		return dryRun()
	}
	return nil
}

// customer refuses to change a key that AWS manages.
func (k *Key) customer() error {
	if k.Manager != types.KeyManagerTypeAws {
		return nil
	}
	return unsupported(k.arn + " is an AWS managed key, which only AWS changes") // assumed: our own text
}
