// Package envelope encrypts and opens backups: the age v1 format as it stands, with a
// stanza of its own for KMS keys (one for each key) beside age's native recipients.
//
// A file key of 16 bytes encrypts the payload. Each stanza of the header holds the file
// key under one KMS key, in an encryption context that names the backup, so what opens
// one backup opens no other, and KMS writes into CloudTrail which one was opened. See
// https://age-encryption.org/v1 and
// https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html.
package envelope
