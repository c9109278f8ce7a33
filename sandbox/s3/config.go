package s3

import (
	"context"
	"net/http"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/keyreach/keyreach/sandbox/gate"
)

// What is set for a bucket is stored as it comes and told as it was stored. A setting
// that was never made is refused with a code of its own.

// set is an operation that changes a bucket.
func set[I, O any](s *Service, action string, change func(*gate.Call, *Bucket, *I) error) gate.Operation {
	return gate.Op(gate.Writes, onBucket[I](s, action), func(ctx context.Context, in *I) (*O, error) {
		b := *s.buckets.Get(named(in))
		if err := change(gate.From(ctx), &b, in); err != nil {
			return nil, err
		}
		s.buckets.Put(b.Name, &b)
		return new(O), nil
	})
}

// tell is an operation that tells of a bucket.
func tell[I, O any](s *Service, action string, show func(*Bucket, *I, *O) error) gate.Operation {
	return gate.Op(gate.Reads, onBucket[I](s, action), func(_ context.Context, in *I) (*O, error) {
		out := new(O)
		return out, show(s.buckets.Get(named(in)), in, out)
	})
}

// named is the bucket that a request names.
func named(in any) string {
	name, _ := reflect.ValueOf(in).Elem().FieldByName("Bucket").Interface().(*string)
	return value(name)
}

// unset refuses a setting that was never made.
func (b *Bucket) unset(code, text string) error {
	e := refuse(http.StatusNotFound, code, text)
	e.Fields = map[string]string{"BucketName": b.Name}
	return e
}

func malformed() error {
	return bad("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

// plain are the settings that have no effect in the sandbox, and the versioning.
func (s *Service) plain() []gate.Operation {
	return []gate.Operation{
		tell(s, "GetBucketLocation", func(b *Bucket, _ *s3.GetBucketLocationInput, out *s3.GetBucketLocationOutput) error {
			if b.Region != "us-east-1" {
				out.LocationConstraint = types.BucketLocationConstraint(b.Region)
			}
			return nil
		}),
		tell(s, "GetBucketVersioning", func(b *Bucket, _ *s3.GetBucketVersioningInput, out *s3.GetBucketVersioningOutput) error {
			out.Status = b.Versioning
			return nil
		}),
		set[s3.PutBucketVersioningInput, s3.PutBucketVersioningOutput](s, "PutBucketVersioning", putVersioning),
		tell(s, "GetBucketRequestPayment", func(b *Bucket, _ *s3.GetBucketRequestPaymentInput, out *s3.GetBucketRequestPaymentOutput) error {
			out.Payer = types.PayerBucketOwner
			if b.Payer != "" {
				out.Payer = b.Payer
			}
			return nil
		}),
		set[s3.PutBucketRequestPaymentInput, s3.PutBucketRequestPaymentOutput](s, "PutBucketRequestPayment", func(_ *gate.Call, b *Bucket, in *s3.PutBucketRequestPaymentInput) error {
			if in.RequestPaymentConfiguration == nil || in.RequestPaymentConfiguration.Payer != types.PayerBucketOwner {
				return notImplemented("requesters who pay")
			}
			b.Payer = types.PayerBucketOwner
			return nil
		}),
		tell(s, "GetAccelerateConfiguration", func(b *Bucket, _ *s3.GetBucketAccelerateConfigurationInput, out *s3.GetBucketAccelerateConfigurationOutput) error {
			out.Status = b.Accelerate
			return nil
		}),
		set[s3.PutBucketAccelerateConfigurationInput, s3.PutBucketAccelerateConfigurationOutput](s, "PutAccelerateConfiguration", func(_ *gate.Call, b *Bucket, in *s3.PutBucketAccelerateConfigurationInput) error {
			b.Accelerate = in.AccelerateConfiguration.Status
			return nil
		}),
		tell(s, "GetBucketNotification", func(b *Bucket, _ *s3.GetBucketNotificationConfigurationInput, out *s3.GetBucketNotificationConfigurationOutput) error {
			if n := b.Notifies; n != nil {
				copyFields(out, n)
			}
			return nil
		}),
		set[s3.PutBucketNotificationConfigurationInput, s3.PutBucketNotificationConfigurationOutput](s, "PutBucketNotification", func(_ *gate.Call, b *Bucket, in *s3.PutBucketNotificationConfigurationInput) error {
			n := in.NotificationConfiguration
			if n != nil && len(n.LambdaFunctionConfigurations)+len(n.QueueConfigurations)+len(n.TopicConfigurations) > 0 {
				return notImplemented("notifications to functions, queues and topics")
			}
			b.Notifies = n
			return nil
		}),
		tell(s, "GetBucketLogging", func(b *Bucket, _ *s3.GetBucketLoggingInput, out *s3.GetBucketLoggingOutput) error {
			out.LoggingEnabled = b.Logging
			return nil
		}),
		set[s3.PutBucketLoggingInput, s3.PutBucketLoggingOutput](s, "PutBucketLogging", s.putLogging),
	}
}

func (s *Service) putLogging(_ *gate.Call, b *Bucket, in *s3.PutBucketLoggingInput) error {
	b.Logging = in.BucketLoggingStatus.LoggingEnabled
	if b.Logging != nil && s.buckets.Get(value(b.Logging.TargetBucket)) == nil {
		// See https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
		return bad("InvalidTargetBucketForLogging", "The target bucket for logging does not exist")
	}
	return nil
}

func putVersioning(_ *gate.Call, b *Bucket, in *s3.PutBucketVersioningInput) error {
	v := in.VersioningConfiguration
	switch {
	case v == nil || v.Status == "":
		return malformed()
	case v.MFADelete == types.MFADeleteEnabled:
		return notImplemented("deleting with MFA")
	case v.Status == types.BucketVersioningStatusSuspended && b.Replicates != nil: // as users report it
		return refuse(http.StatusConflict, "InvalidBucketState", "A replication configuration is present on this bucket, so you cannot change the versioning state. To change the versioning state, first delete the replication configuration.")
	case v.Status == types.BucketVersioningStatusSuspended && b.hasLock():
		return refuse(http.StatusConflict, "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
	}
	b.Versioning = v.Status
	return nil
}

// documents are the settings that are documents of their own.
func (s *Service) documents() []gate.Operation {
	return []gate.Operation{
		tell(s, "GetBucketCORS", func(b *Bucket, _ *s3.GetBucketCorsInput, out *s3.GetBucketCorsOutput) error {
			if b.CORS == nil {
				return b.unset("NoSuchCORSConfiguration", "The CORS configuration does not exist")
			}
			out.CORSRules = b.CORS.CORSRules
			return nil
		}),
		set[s3.PutBucketCorsInput, s3.PutBucketCorsOutput](s, "PutBucketCORS", func(_ *gate.Call, b *Bucket, in *s3.PutBucketCorsInput) error {
			for i := range in.CORSConfiguration.CORSRules {
				for _, method := range in.CORSConfiguration.CORSRules[i].AllowedMethods {
					// See https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html.
					if !slices.Contains([]string{"GET", "PUT", "POST", "DELETE", "HEAD"}, method) {
						return bad("InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is "+method) // as users report it
					}
				}
			}
			b.CORS = in.CORSConfiguration
			return nil
		}),
		set[s3.DeleteBucketCorsInput, s3.DeleteBucketCorsOutput](s, "PutBucketCORS", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketCorsInput) error {
			b.CORS = nil
			return nil
		}),
		tell(s, "GetBucketWebsite", func(b *Bucket, _ *s3.GetBucketWebsiteInput, out *s3.GetBucketWebsiteOutput) error {
			if b.Website == nil {
				return b.unset("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
			}
			copyFields(out, b.Website)
			return nil
		}),
		set[s3.PutBucketWebsiteInput, s3.PutBucketWebsiteOutput](s, "PutBucketWebsite", func(_ *gate.Call, b *Bucket, in *s3.PutBucketWebsiteInput) error {
			b.Website = in.WebsiteConfiguration
			return nil
		}),
		set[s3.DeleteBucketWebsiteInput, s3.DeleteBucketWebsiteOutput](s, "DeleteBucketWebsite", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketWebsiteInput) error {
			b.Website = nil
			return nil
		}),
		tell(s, "GetBucketTagging", func(b *Bucket, _ *s3.GetBucketTaggingInput, out *s3.GetBucketTaggingOutput) error {
			if len(b.Tags) == 0 {
				return b.unset("NoSuchTagSet", "The TagSet does not exist")
			}
			out.TagSet = b.Tags
			return nil
		}),
		set[s3.PutBucketTaggingInput, s3.PutBucketTaggingOutput](s, "PutBucketTagging", putTags),
		set[s3.DeleteBucketTaggingInput, s3.DeleteBucketTaggingOutput](s, "PutBucketTagging", func(_ *gate.Call, b *Bucket, _ *s3.DeleteBucketTaggingInput) error {
			b.Tags = nil
			return nil
		}),
	}
}

func putTags(_ *gate.Call, b *Bucket, in *s3.PutBucketTaggingInput) error {
	seen := map[string]bool{}
	for _, t := range in.Tagging.TagSet {
		if seen[value(t.Key)] {
			return bad("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		if err := checkTag(value(t.Key), value(t.Value)); err != nil {
			return err
		}
		seen[value(t.Key)] = true
	}
	if len(seen) > 50 {
		return bad("InvalidTag", "Tags cannot be more than 50") // assumed text
	}
	b.Tags = in.Tagging.TagSet
	return nil
}
