//! Why a broker, or the way to it, says no: MQTT 5's codes and what rumqttc and rustls say, in words for people.

use std::fmt::Debug;
use std::io;

use rumqttc::TlsError;
use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::mqttbytes::v5::{
    ConnectReturnCode, DisconnectReasonCode, PubAckReason, SubscribeReasonCode,
};
use rumqttc::v5::{ConnectionError, StateError};
use rustls::{AlertDescription, CertificateError};
use thiserror::Error;

/// A reason code of 0x80 or above in a PUBACK or SUBACK.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("refused by the broker: {} (0x{code:02x})", word(*code))]
pub struct Refusal {
    /// MQTT 5's code.
    pub code: u8,
}

impl Refusal {
    /// An access list says no.
    pub const NOT_AUTHORIZED: Self = Self { code: 0x87 };
    /// The broker takes no packet of this size. rumqttc would lose the connection over it, again and again.
    pub const TOO_LARGE: Self = Self { code: 0x95 };
}

/// A code's name.
fn word(code: u8) -> &'static str {
    match code {
        0x83 => "implementation specific error",
        0x87 => "not authorized",
        0x8F => "topic filter invalid",
        0x90 => "topic name invalid",
        0x91 => "packet identifier in use",
        0x95 => "packet too large",
        0x97 => "quota exceeded",
        0x99 => "payload format invalid",
        0x9E => "shared subscriptions not supported",
        0xA1 => "subscription identifiers not supported",
        0xA2 => "wildcard subscriptions not supported",
        _ => "unspecified error",
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Loss {
    /// The broker answered and did not want us: wrong password, not allowed, no such protocol.
    #[error("the broker refuses the connection: {0}")]
    Refused(String),
    /// Another client came with our client id.
    #[error("another client took over with the same client id")]
    TakenOver,
    /// The broker closed the connection and said why.
    #[error("the broker closed the connection: {0}")]
    Closed(String),
    /// No trust: a certificate that is not right, on either side.
    #[error("TLS: {0}")]
    Tls(String),
    /// The line: refused, unreachable, reset, silent.
    #[error("{0}")]
    Line(String),
}

/// Why a PUBACK is a no, if it is.
pub(super) fn publish_refused(reason: PubAckReason) -> Option<Refusal> {
    let code = match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => return None,
        PubAckReason::UnspecifiedError => 0x80,
        PubAckReason::ImplementationSpecificError => 0x83,
        PubAckReason::NotAuthorized => 0x87,
        PubAckReason::TopicNameInvalid => 0x90,
        PubAckReason::PacketIdentifierInUse => 0x91,
        PubAckReason::QuotaExceeded => 0x97,
        PubAckReason::PayloadFormatInvalid => 0x99,
    };
    Some(Refusal { code })
}

/// Why a filter's answer in a SUBACK is a no, if it is.
pub(super) fn subscribe_refused(reason: SubscribeReasonCode) -> Option<Refusal> {
    let code = match reason {
        SubscribeReasonCode::Success(_) => return None,
        SubscribeReasonCode::Failure | SubscribeReasonCode::Unspecified => 0x80,
        SubscribeReasonCode::ImplementationSpecific => 0x83,
        SubscribeReasonCode::NotAuthorized => 0x87,
        SubscribeReasonCode::TopicFilterInvalid => 0x8F,
        SubscribeReasonCode::PkidInUse => 0x91,
        SubscribeReasonCode::QuotaExceeded => 0x97,
        SubscribeReasonCode::SharedSubscriptionsNotSupported => 0x9E,
        SubscribeReasonCode::SubscriptionIdNotSupported => 0xA1,
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => 0xA2,
    };
    Some(Refusal { code })
}

/// Why a connection is over, or was none; `limit_s` is how long it may have taken to make.
pub(super) fn loss(error: &ConnectionError, limit_s: u64) -> Loss {
    match error {
        ConnectionError::ConnectionRefused(code) => Loss::Refused(match code {
            ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword => {
                "not authorized: a wrong user or password, or nobody it lets in".to_owned()
            }
            code => words(code),
        }),
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => match (reason_code, reason_string) {
            (DisconnectReasonCode::SessionTakenOver, _) => Loss::TakenOver,
            (code, None) => Loss::Closed(words(code)),
            (code, Some(reason)) => Loss::Closed(format!("{}: {reason}", words(code))),
        },
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            Loss::Line("the broker closed the connection without a word".to_owned())
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            Loss::Line("the broker does not answer any more".to_owned())
        }
        ConnectionError::Timeout(_) => Loss::Line(format!("no answer within {limit_s} s")),
        ConnectionError::Tls(TlsError::TLS(error)) => Loss::Tls(told(error)),
        ConnectionError::Tls(TlsError::Io(error))
        | ConnectionError::Io(error)
        | ConnectionError::MqttState(
            StateError::Io(error) | StateError::Deserialization(PacketError::Io(error)),
        ) => of_line(error),
        ConnectionError::Tls(error) => Loss::Tls(error.to_string()),
        other => Loss::Line(other.to_string()),
    }
}

/// rustls speaks through the line's errors once the handshake has begun.
fn of_line(error: &io::Error) -> Loss {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(error) => Loss::Tls(told(error)),
        None if error.kind() == io::ErrorKind::InvalidData => Loss::Tls(error.to_string()),
        None => Loss::Line(error.to_string()),
    }
}

/// What is wrong between two certificates, and whose it is.
fn told(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the broker's certificate is not from an authority that we trust"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the broker's certificate has expired",
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the broker's certificate is not for the host in the URL",
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the broker asks for a certificate, and we have none"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "the broker says that our certificate has expired"
        }
        rustls::Error::AlertReceived(AlertDescription::UnknownCA) => {
            "the broker does not trust the authority of our certificate"
        }
        other => return other.to_string(),
    }
    .to_owned()
}

/// A code's name as people write it: `NotAuthorized` is `not authorized`.
fn words(code: &impl Debug) -> String {
    let mut words = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}
