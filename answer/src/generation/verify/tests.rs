use super::*;

const QUOTE: &str = "The Privacy Officer notifies the supervisory authority within 72 hours \
                     after the hospital became aware of the breach.";
const HEADINGS: [&str; 2] = [
    "Breach Notification Policy",
    "Notification of the authority",
];
const QUESTION: &str = "When must a breach be reported to the authority?";

fn support(headings: &[String]) -> Support<'_> {
    Support {
        quote: QUOTE,
        headings,
    }
}

#[test]
fn a_sentence_that_is_all_of_the_answer_contains_expected_answer_for() {
    let cases = [
        (
            QUESTION,
            "The Privacy Officer notifies the authority within 72 hours.",
            true,
        ),
        (
            QUESTION,
            "The Privacy Officer notifies the supervisory authority.",
            false,
        ),
        (
            "Who leads the team?",
            "The team is responsible for all servers.",
            false,
        ),
        (
            "Who leads the team?",
            "The team is led by the Security Officer.",
            true,
        ),
        ("What is a breach?", "A breach is a loss of data.", false),
    ];
    for (question, sentence, expected) in cases {
        assert_eq!(
            contains_expected_answer(sentence, question, Language::ENGLISH),
            expected,
            "{sentence}"
        );
    }
}

#[test]
fn sentences_are_accepted_or_rejected_for_these_reasons() {
    let headings = HEADINGS.map(str::to_owned);
    let cases = [
        (
            "The supervisory authority is notified within 72 hours.",
            Ok(()),
        ),
        (
            "The breach notification is made within 72 hours.",
            Err(RejectionReason::Unsupported),
        ),
        (
            "A breach must be reported to the insurer within 72 hours.",
            Err(RejectionReason::Unsupported),
        ),
        (
            "The authority is notified within 24 hours.",
            Err(RejectionReason::Number),
        ),
        (
            "The authority is notified within 72 days.",
            Err(RejectionReason::Number),
        ),
        (
            "The authority is not notified within 72 hours.",
            Err(RejectionReason::Negation),
        ),
        (
            "The authority is notified by Doctor Ames within 72 hours.",
            Err(RejectionReason::Name),
        ),
        (
            "The insurance company pays damages to affected customers.",
            Err(RejectionReason::Unsupported),
        ),
        (
            "A breach must be reported to the authority.",
            Err(RejectionReason::Repetition),
        ),
        ("", Err(RejectionReason::Empty)),
        (
            "See [this](http://example.org) within 72 hours.",
            Err(RejectionReason::Markup),
        ),
        (
            "<b>Within 72 hours</b> the authority is notified.",
            Err(RejectionReason::Markup),
        ),
        (
            "The supervisory authority is notified within",
            Err(RejectionReason::Unfinished),
        ),
    ];
    for (sentence, expected) in cases {
        assert_eq!(
            check_words(
                sentence,
                support(&headings),
                QUESTION,
                Strictness::PARAPHRASE,
                Language::ENGLISH
            ),
            expected,
            "{sentence}"
        );
    }
}

#[test]
fn a_sentence_that_only_repeats_its_quote_is_rejected() {
    let quote = "Two sets of blood cultures are taken. The first dose follows within an hour.";
    for (sentence, expected) in [
        ("Two sets of blood cultures are taken.", true),
        ("The two sets of blood cultures are taken.", true),
        ("The first dose follows within an hour.", true),
        ("An hour.", false),
        ("Blood cultures are taken, two sets.", false),
        ("Two sets are taken, and the first dose follows.", false),
    ] {
        let repeats = repeats_quote(sentence, quote, Language::ENGLISH);
        assert_eq!(repeats, expected, "{sentence}");
    }
}

#[test]
fn typical_errors_of_a_fluent_model_are_rejected() {
    let scores = SupportScores {
        quote_similarity: 1.0,
        question_similarity: 1.0,
        entailment: None,
    };
    let cases = [
        (
            "Give heparin 5000 units every 12 hours until the patient walks.",
            "Give warfarin 5000 units every 12 hours until the patient walks.",
            Err(RejectionReason::Unsupported),
        ),
        (
            "Give heparin 5000 units every 12 hours until the patient walks.",
            "It is stated that heparin is given every 12 hours.",
            Err(RejectionReason::Order),
        ),
        (
            "Heparin is stopped once the patient walks.",
            "It is stated that once the patient walks, heparin is stopped.",
            Ok(()),
        ),
        (
            "Adults are given 10 mg, children 5 mg.",
            "Children are given 10 mg.",
            Err(RejectionReason::Order),
        ),
        (
            "Adults are given 10 mg, children 5 mg.",
            "Adults are given 5 mg.",
            Err(RejectionReason::Order),
        ),
        (
            "Adults are given 10 mg, children 5 mg.",
            "Adults are given 10 mg.",
            Ok(()),
        ),
        (
            "Give paracetamol, not aspirin, to children.",
            "Give aspirin, not paracetamol, to children.",
            Err(RejectionReason::Order),
        ),
        (
            "Give paracetamol, not aspirin, to children.",
            "Do not give paracetamol to children.",
            Err(RejectionReason::Order),
        ),
        (
            "Transfers above $500 need a second signature.",
            "Transfers above €500 need a second signature.",
            Err(RejectionReason::Number),
        ),
        (
            "Call the doctor if the potassium is <3.5 mmol/l.",
            "Call the doctor if the potassium is ≥3.5 mmol/l.",
            Err(RejectionReason::Number),
        ),
        (
            "Keep the sample at -20 °C.",
            "Keep the sample at 20 °C.",
            Err(RejectionReason::Number),
        ),
    ];
    for (quote, sentence, expected) in cases {
        let support = Support {
            quote,
            headings: &[],
        };
        let verdict = verify(
            sentence,
            support,
            "What is to be done?",
            &scores,
            Strictness::PARAPHRASE,
        );
        assert_eq!(verdict, expected, "{quote} {sentence}");
    }
}

#[test]
fn a_sentence_that_reverses_its_quote_does_not_keep_the_order() {
    let quote = "The Mongols were defeated by the Tran dynasty in 1288, after a long war.";
    let cases = [
        ("The Mongols were defeated in 1288.", true),
        ("The Tran dynasty was defeated by the Mongols.", false),
        ("After a war the Mongols were defeated.", false),
        ("They fought in 1288.", true),
    ];
    for (sentence, expected) in cases {
        assert_eq!(
            keeps_order(sentence, quote, Language::ENGLISH),
            expected,
            "{sentence}"
        );
    }
}

#[test]
fn a_true_sentence_that_answers_another_question_is_rejected() {
    let scores = SupportScores {
        quote_similarity: 1.0,
        question_similarity: 0.1,
        entailment: None,
    };
    let sentence = "The supervisory authority is notified within 72 hours.";
    let verdict = verify(
        sentence,
        support(&[]),
        QUESTION,
        &scores,
        Strictness::PARAPHRASE,
    );
    assert_eq!(verdict, Err(RejectionReason::BesideThePoint));
}
