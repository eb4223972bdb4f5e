//! What a client of a WebSocket says, and what it hears.

/// One step of a conversation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// The client sends this text.
    Say(&'static str),
    /// The client sends these bytes.
    SayBytes(&'static [u8]),
    /// The client hears a packet that begins so; pings and, unless it is one, events are passed over.
    Hear(&'static str),
    /// The connection stays open, and nothing but events is heard.
    Stay,
    /// The gateway closes the connection.
    End,
}
use Step::{End, Hear, Say, SayBytes, Stay};

/// Conversations after the `open` packet, each with what it is about.
pub(super) static CASES: [(&str, &[Step]); 41] = [
    // Engine.IO: packets.
    ("a ping of the client is no mistake", &[Say("2"), Stay]),
    ("a pong without a ping is no mistake", &[Say("3"), Stay]),
    ("a close packet closes", &[Say("1"), End]),
    (
        "a close packet closes a connected socket",
        &[Say("40"), Hear("40{"), Say("1"), End],
    ),
    ("an open packet is the gateway's", &[Say("0{}"), End]),
    (
        "an upgrade of a connection that is a WebSocket already",
        &[Say("5"), End],
    ),
    ("a noop is the gateway's", &[Say("6"), End]),
    ("a type of packet that there is not", &[Say("7"), End]),
    ("a type that is no number", &[Say("abc"), End]),
    ("a packet without a type", &[Say(""), End]),
    ("a message without a packet in it", &[Say("4"), End]),
    // Socket.IO: connecting.
    ("connect", &[Say("40"), Hear("40{\"sid\":\"")]),
    (
        "connect to the namespace by name",
        &[Say("40/,"), Hear("40{\"sid\":\"")],
    ),
    (
        "connect with a payload",
        &[Say("40{\"userId\":\"ann\"}"), Hear("40{\"sid\":\"")],
    ),
    (
        "connect with a payload of nothing",
        &[Say("40{}"), Hear("40{\"sid\":\"")],
    ),
    (
        "connect and hear events",
        &[Say("40"), Hear("40{"), Hear("42[\"sale-status\",")],
    ),
    (
        "a shopper who cannot be",
        &[Say("40{\"userId\":\"a b\"}"), Hear("44{\"message\":\"")],
    ),
    (
        "a payload that cannot be read is none",
        &[Say("40{\"userId\":7}"), Hear("40{\"sid\":\"")],
    ),
    (
        "a payload of the wrong type is none",
        &[Say("40\"ann\""), Hear("40{\"sid\":\"")],
    ),
    (
        "another try after a refusal",
        &[
            Say("40{\"userId\":\"a b\"}"),
            Hear("44{"),
            Say("40"),
            Hear("44{\"message\":\"this socket was refused; connect again\"}"),
            End,
        ],
    ),
    (
        "a namespace that there is not",
        &[
            Say("40/random,"),
            Hear("44/random,{\"message\":\"Invalid namespace\"}"),
        ],
    ),
    (
        "operations that are off",
        &[
            Say("40/operations,{\"token\":\"x\"}"),
            Hear("44/operations,{\"message\":\"Invalid"),
        ],
    ),
    (
        "a namespace that there is after one that there is not",
        &[
            Say("40/random,"),
            Hear("44/random,"),
            Say("40"),
            Hear("40{"),
        ],
    ),
    (
        "a second connect is passed over",
        &[Say("40"), Hear("40{"), Say("40"), Stay],
    ),
    // Socket.IO: leaving.
    (
        "a disconnect leaves the connection",
        &[Say("40"), Hear("40{"), Say("41"), Stay],
    ),
    (
        "a disconnect and a connect",
        &[
            Say("40"),
            Hear("40{"),
            Say("41"),
            Say("40"),
            Hear("40{\"sid\":\""),
        ],
    ),
    ("a disconnect of who is not connected", &[Say("41"), End]),
    // Socket.IO: events, none of which the gateway listens to.
    (
        "an event",
        &[
            Say("40"),
            Hear("40{"),
            Say("42[\"hello\",1,{\"a\":[]}]"),
            Stay,
        ],
    ),
    (
        "an event that asks for an answer",
        &[Say("40"), Hear("40{"), Say("421[\"hello\"]"), Stay],
    ),
    (
        "an event with bytes",
        &[
            Say("40"),
            Hear("40{"),
            Say("451-[\"hello\",{\"_placeholder\":true,\"num\":0}]"),
            SayBytes(&[1, 2, 3]),
            Stay,
        ],
    ),
    (
        "an answer that nobody asked for",
        &[Say("40"), Hear("40{"), Say("431[\"hello\"]"), Stay],
    ),
    ("an event before the connect", &[Say("42[\"hello\"]"), End]),
    (
        "an event of a namespace that there is not",
        &[Say("40"), Hear("40{"), Say("42/random,[\"x\"]"), Stay],
    ),
    (
        "an event without a name",
        &[Say("40"), Hear("40{"), Say("42[]"), End],
    ),
    (
        "an event with a name that is none",
        &[Say("40"), Hear("40{"), Say("42[{}]"), End],
    ),
    (
        "an event that is no list",
        &[Say("40"), Hear("40{"), Say("42{}"), End],
    ),
    (
        "an event that is no JSON",
        &[Say("40"), Hear("40{"), Say("42[\"hello"), End],
    ),
    (
        "an event of nothing",
        &[Say("40"), Hear("40{"), Say("42"), End],
    ),
    (
        "a type that there is not",
        &[Say("40"), Hear("40{"), Say("4abc"), End],
    ),
    (
        "a refusal is the gateway's",
        &[Say("40"), Hear("40{"), Say("44{\"message\":\"x\"}"), End],
    ),
    (
        "bytes that belong to no event",
        &[Say("40"), Hear("40{"), SayBytes(&[1]), End],
    ),
];
