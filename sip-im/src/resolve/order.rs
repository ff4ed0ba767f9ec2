//! In which order records are tried (RFC 3263 sections 4.1 and 4.2, RFC 2782).

use super::question::{Naptr, Srv};
use crate::Entropy;
use crate::flow::Transport;

/// The services that lead to a transport of ours, the preferred first: each with its transport and the name of its SRV records.
pub(super) fn services(records: Vec<Naptr>, ours: &[Transport], secure: bool) -> Vec<(Transport, String)> {
    let mut usable: Vec<(u16, u16, Transport, String)> = records
        .into_iter()
        .filter(|record| record.flags.eq_ignore_ascii_case("s") && !record.replacement.is_empty())
        .filter_map(|record| {
            let transport = transport_of(&record.service)?;
            //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
            //# First, a client resolving a SIPS URI MUST discard any services that
            //# do not contain "SIPS" as the protocol in the service field.
            //= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
            //# Second, a client MUST discard any service fields that identify
            //# a resolution service whose value is not "D2X", for values of X that
            //# indicate transport protocols supported by the client.
            let kept = ours.contains(&transport) && (!secure || transport.is_secure());
            kept.then_some((record.order, record.preference, transport, record.replacement))
        })
        .collect();
    usable.sort_by_key(|(order, preference, ..)| (*order, *preference));
    // Beyond the first order that is of use, nothing counts (RFC 3403 section 4.1).
    let first = usable.first().map(|(order, ..)| *order);
    usable
        .into_iter()
        .filter(|(order, ..)| Some(*order) == first)
        .map(|(_, _, transport, name)| (transport, name))
        .collect()
}

fn transport_of(service: &str) -> Option<Transport> {
    const SERVICES: [(&str, Transport); 5] = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
        ("SIP+D2W", Transport::Ws),
        ("SIPS+D2W", Transport::Wss),
    ];
    SERVICES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(service))
        .map(|(_, transport)| *transport)
}

/// The name under which a domain lists the servers of a transport; a WebSocket has none.
///
//= https://www.rfc-editor.org/rfc/rfc3263#section-4.1
//# Queries are done using the service identifier "_sip" for SIP URIs and
//# "_sips" for SIPS URIs.
pub(super) fn service_name(transport: Transport, domain: &str) -> Option<String> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some(format!("{prefix}.{domain}"))
}

/// Servers in the order of RFC 2782: by priority, and within one by lot, each as likely as its weight is of the sum of weights.
pub(super) fn servers(records: Vec<Srv>, entropy: &mut Entropy) -> Vec<Srv> {
    let mut rest = records;
    // "Arrange all SRV RRs (that have not been ordered yet) in any order, except that all those with weight 0 are placed at the
    // beginning of the list."
    rest.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(rest.len());
    while let Some(first) = rest.first() {
        let priority = first.priority;
        let group = rest.iter().take_while(|record| record.priority == priority);
        let sum = group.map(|record| u64::from(record.weight)).sum::<u64>();
        let lot = below(sum.saturating_add(1), entropy);
        let mut running = 0_u64;
        let chosen = rest
            .iter()
            .take_while(|record| record.priority == priority)
            .position(|record| {
                running = running.saturating_add(u64::from(record.weight));
                running >= lot
            });
        // The running sum reaches the whole sum, which no lot exceeds.
        ordered.push(rest.remove(chosen.unwrap_or(0)));
    }
    ordered
}

/// A number below a bound; the bias of a 64-bit number over bounds of 22 bits is beyond notice.
pub(super) fn below(bound: u64, entropy: &mut Entropy) -> u64 {
    let mut octets = [0; 8];
    entropy(&mut octets);
    u64::from_be_bytes(octets).checked_rem(bound).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv {
            priority,
            weight,
            port: 5060,
            target: target.to_owned(),
        }
    }

    fn dice() -> Entropy {
        let mut state = 7_u64;
        Box::new(move |buffer| {
            for octet in buffer {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *octet = state.to_be_bytes()[0];
            }
        })
    }

    #[test]
    fn servers_of_one_priority_come_first_as_often_as_their_weight_says() {
        let mut entropy = dice();
        let (mut heavy, mut zero) = (0, 0);
        for _ in 0..4000 {
            let records = vec![
                srv(2, 9, "late"),
                srv(1, 30, "heavy"),
                srv(1, 10, "light"),
                srv(1, 0, "zero"),
            ];
            let ordered: Vec<_> = servers(records, &mut entropy)
                .into_iter()
                .map(|one| one.target)
                .collect();
            assert_eq!(ordered.last().map(String::as_str), Some("late"));
            assert_eq!(ordered.len(), 4);
            heavy += u32::from(ordered[0] == "heavy");
            zero += u32::from(ordered[0] == "zero");
        }
        assert!(
            (2750..3150).contains(&heavy),
            "three quarters, but {heavy} of 4000"
        );
        assert!(
            (40..200).contains(&zero),
            "a very small chance, but {zero} of 4000"
        );
    }
}
