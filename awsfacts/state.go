package awsfacts

// KeyState is the state of a KMS key as DescribeKey names it; see
// docs.aws.amazon.com/kms/latest/developerguide/key-state.html.
type KeyState string

// The states a key can have.
const (
	Creating               KeyState = "Creating"
	Enabled                KeyState = "Enabled"
	Disabled               KeyState = "Disabled"
	PendingDeletion        KeyState = "PendingDeletion"
	PendingImport          KeyState = "PendingImport"
	PendingReplicaDeletion KeyState = "PendingReplicaDeletion"
	Unavailable            KeyState = "Unavailable"
	Updating               KeyState = "Updating"
)

// KeyStates returns all states in the order of the constants.
func KeyStates() []KeyState {
	return []KeyState{Creating, Enabled, Disabled, PendingDeletion, PendingImport, PendingReplicaDeletion, Unavailable, Updating}
}

// position returns the place of the state in [KeyStates], or -1.
func (s KeyState) position() int {
	switch s {
	case Creating:
		return 0
	case Enabled:
		return 1
	case Disabled:
		return 2
	case PendingDeletion:
		return 3
	case PendingImport:
		return 4
	case PendingReplicaDeletion:
		return 5
	case Unavailable:
		return 6
	case Updating:
		return 7
	}
	return -1
}

// Message is the text of the exception with which KMS refuses an operation because
// of the state; it names the key by its ARN. No operation is refused for Enabled,
// so there it is empty. Two refusals of [InState] have a text of their own, which
// their note gives.
func (s KeyState) Message(keyARN string) string {
	var is string
	switch s {
	case Disabled:
		is = "disabled"
	case PendingDeletion:
		is = "pending deletion"
	case PendingReplicaDeletion:
		is = "pending replica deletion"
	case PendingImport:
		is = "pending import"
	case Unavailable:
		is = "unavailable"
	case Creating:
		is = "creating"
	case Updating:
		is = "updating"
	default:
		return ""
	}
	return keyARN + " is " + is + "."
}

// The confidence a fact can have.
const (
	// Recorded: AWS's answer was captured.
	Recorded = "recorded"
	// Documented: an AWS page or API model states it.
	Documented = "documented"
	// Inferred: it follows from what is documented or recorded.
	Inferred = "inferred"
	// Assumed: nothing found says otherwise.
	Assumed = "assumed"
)

// StateRule says what a key state does to an operation.
type StateRule struct {
	// OK: the state does not stand in the way.
	OK bool
	// Exceptions are the codes with which KMS refuses, the likeliest first. With
	// two codes AWS documents both; a caller must be ready for either.
	Exceptions []string
	// Note is a condition or a consequence; it may be empty.
	Note string
	// Confidence is Recorded, Documented, Inferred or Assumed.
	Confidence string
}

// stateRules holds one rule for each state, by its position.
type stateRules [8]StateRule

type stateFile struct {
	Source  string `json:"source"`
	Classes []struct {
		Operations []string `json:"operations"`
		States     map[KeyState]struct {
			OK         bool     `json:"ok"`
			Exceptions []string `json:"exceptions"`
			Note       string   `json:"note"`
			Confidence string   `json:"confidence"`
		} `json:"states"`
	} `json:"classes"`
}

// loadStates returns the rules by operation.
func loadStates() map[string]*stateRules {
	rules := map[string]*stateRules{}
	for _, class := range load[stateFile]("key-states.json").Classes {
		var row stateRules
		for state, cell := range class.States {
			if cell.Confidence == "" {
				cell.Confidence = Documented
			}
			row[state.position()] = StateRule(cell)
		}
		for _, name := range class.Operations {
			rules[name] = &row
		}
	}
	return rules
}

// InState reports whether a key in this state lets an operation through, given as
// in [KMSOperation]. Authorization is another question: KMS asks it as well.
// Operations that work on no key are not hindered by any state. An unknown operation
// passes on an enabled key only; it, and an unknown state, are otherwise refused
// without exceptions, with a note saying so and [Assumed] confidence.
func InState(action string, s KeyState) StateRule {
	op, ok := KMSOperation(action)
	if !ok {
		return StateRule{OK: s == Enabled, Note: "the operation is not one this version knows", Confidence: Assumed}
	}
	if op.states == nil {
		return StateRule{OK: true, Note: "works on no key", Confidence: Documented}
	}
	position := s.position()
	if position < 0 {
		return StateRule{Note: "the key state is not one this version knows", Confidence: Assumed}
	}
	return op.states[position]
}
