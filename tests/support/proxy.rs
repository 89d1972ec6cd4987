//! Provides a proxy between the SDK and a local AWS that counts the calls, and makes one of them, or all with its action, fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;

use crate::support::aws::{ACCOUNT, Failure, action_of, error, is_write, throttled};
use crate::support::limits::Limits;

/// A disturbance that starts at the `nth` call (from 0).
#[derive(Clone)]
pub enum Mishap {
    /// The `nth` call fails; if `for_good`, all later calls of the same action fail too.
    Fails { failure: Failure, nth: usize, for_good: bool },
    /// At the `nth` call, before or after AWS carries it out (`happens`), `end` runs, and no call is answered any more.
    Ends { nth: usize, happens: bool, end: Arc<dyn Fn() + Send + Sync> },
}

/// A function that receives the action of a write.
type Before = Arc<Mutex<dyn FnMut(&str) + Send>>;

#[derive(Default)]
struct State {
    calls: usize,
    before: Option<Before>,
    mishap: Option<Mishap>,
    hit: Option<String>,
    ended: bool,
    /// The number of calls in progress, and of those among them that are stuck.
    on_the_way: usize,
    hanging: usize,
    /// The number of calls that have become stuck so far.
    left_hanging: usize,
    /// The number of open connections, and the client's address of the last one.
    open: usize,
    last: Option<SocketAddr>,
    /// The limits of the calls per second to each service.
    limits: Option<Limits>,
}

/// The outcome that the proxy chooses for a call.
enum Fate {
    Passes,
    Fails(Failure),
    Ends { happens: bool, end: Arc<dyn Fn() + Send + Sync> },
    NoAnswer,
}

#[derive(Clone)]
pub struct Proxy {
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Starts a proxy in front of the local AWS at this endpoint.
    pub fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Self { endpoint, state: Arc::default() };
        let (state, upstream) = (Arc::clone(&proxy.state), upstream.trim_start_matches("http://").to_owned());
        std::thread::spawn(move || {
            while let Ok((stream, from)) = listener.accept() {
                let (state, upstream) = (Arc::clone(&state), upstream.clone());
                {
                    let mut state = state.lock().unwrap();
                    state.open += 1;
                    state.last = Some(from);
                }
                std::thread::spawn(move || {
                    let _open = Counted(&state, |state| &mut state.open);
                    exchange(stream, &upstream, &state)
                });
            }
        });
        proxy
    }

    /// Sets the mishap from now on, and counts the calls from 0 again.
    pub fn set(&self, mishap: Option<Mishap>) {
        let mut state = self.state.lock().unwrap();
        let State { on_the_way, hanging, left_hanging, open, last, .. } = *state;
        *state = State { mishap, on_the_way, hanging, left_hanging, open, last, ..State::default() };
    }

    /// Makes every write wait, from now on, until `run` has run and the writes before it are done.
    pub fn before_writes(&self, run: impl FnMut(&str) + Send + 'static) {
        self.state.lock().unwrap().before = Some(Arc::new(Mutex::new(run)));
    }

    /// Limits the calls per second to each service from now on.
    pub fn limit(&self, limits: Limits) {
        self.state.lock().unwrap().limits = Some(limits);
    }

    pub fn throttled(&self) -> usize {
        self.state.lock().unwrap().limits.as_ref().map_or(0, |limits| limits.refused)
    }

    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// Returns how many calls are stuck now, and how many have become stuck so far; none if no call is stuck now.
    pub fn hangs(&self) -> Option<(usize, usize)> {
        let state = self.state.lock().unwrap();
        (state.hanging > 0).then_some((state.hanging, state.left_hanging))
    }

    /// Checks whether no call is in progress: a call whose caller is gone still reaches AWS.
    pub fn is_at_rest(&self) -> bool {
        self.state.lock().unwrap().on_the_way == 0
    }

    /// Waits until every connection made so far is closed: then each call of a killed process has reached AWS, or never will.
    /// Meanwhile no client may run, and no other thread may wait here.
    pub fn wait_for_callers(&self) {
        // The listener accepts connections in order: when it has accepted this one, it has accepted all earlier ones.
        let me = TcpStream::connect(self.endpoint.trim_start_matches("http://")).unwrap().local_addr().unwrap();
        let is_alone = || {
            let state = self.state.lock().unwrap();
            state.last == Some(me) && state.open == 0
        };
        // Reached only by a test whose calls never end.
        let deadline = Instant::now() + Duration::from_mins(10);
        while !is_alone() {
            assert!(Instant::now() < deadline, "{} connections are still open", self.state.lock().unwrap().open);
            super::emulator::pause();
        }
    }

    /// Returns the action of the first call that was disturbed.
    pub fn hit(&self) -> Option<String> {
        self.state.lock().unwrap().hit.clone()
    }
}

impl State {
    fn fate(&mut self, action: &str) -> Fate {
        let turn = self.calls;
        self.calls += 1;
        if self.limits.as_mut().is_some_and(|limits| limits.refusal(action).is_some()) {
            return Fate::Fails(Failure::Throttled);
        }
        if self.ended {
            return Fate::NoAnswer;
        }
        let fate = match &self.mishap {
            Some(Mishap::Fails { failure, nth, for_good }) => {
                let like_it = self.hit.as_deref().is_none_or(|hit| hit == action);
                let falls = turn == *nth || (*for_good && turn > *nth && like_it);
                if falls { Fate::Fails(*failure) } else { Fate::Passes }
            }
            Some(Mishap::Ends { nth, happens, end }) if turn == *nth => {
                self.ended = true;
                Fate::Ends { happens: *happens, end: Arc::clone(end) }
            }
            _ => Fate::Passes,
        };
        if !matches!(fate, Fate::Passes) {
            self.hit.get_or_insert_with(|| action.to_owned());
        }
        fate
    }
}

/// Forwards one request and its answer. To the SDK, every failure here looks like a broken connection. A connection that carries no
/// request is not counted as a call in progress: clients keep some in reserve.
fn exchange(stream: TcpStream, upstream: &str, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let message = read_message(&mut reader)?;
    state.lock().unwrap().on_the_way += 1;
    let _on_the_way = Counted(state, |state| &mut state.on_the_way);
    answer_to(message, reader, stream, upstream, state)
}

/// A guard that decrements a counter when it is dropped, also in a panic.
struct Counted<'a>(&'a Mutex<State>, fn(&mut State) -> &mut usize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *self.1(&mut state) -= 1;
    }
}

fn answer_to(
    (head, body): (Vec<String>, Vec<u8>),
    mut reader: BufReader<TcpStream>,
    mut stream: TcpStream,
    upstream: &str,
    state: &Mutex<State>,
) -> Option<()> {
    let action = action_of(&request(&head, &body));
    let fate = state.lock().unwrap().fate(&action);
    match fate {
        Fate::Passes => {
            let before = state.lock().unwrap().before.clone();
            let before = before.filter(|_| is_write(&action));
            let _turn = before.as_ref().map(|before| {
                let mut run = before.lock().unwrap();
                run(&action);
                run
            });
            stream.write_all(&forward(upstream, &head, &body)?).ok()
        }
        Fate::Ends { happens, end } => {
            if happens {
                forward(upstream, &head, &body)?;
            }
            end();
            None
        }
        Fate::NoAnswer | Fate::Fails(Failure::NotSent) => None,
        Fate::Fails(Failure::AnswerLost) => forward(upstream, &head, &body).and(None),
        Fate::Fails(Failure::Hangs) => {
            // Wait until the client has given up.
            {
                let mut state = state.lock().unwrap();
                state.hanging += 1;
                state.left_hanging += 1;
            }
            let _ = reader.read(&mut [0]);
            state.lock().unwrap().hanging -= 1;
            None
        }
        Fate::Fails(failure) => stream.write_all(&written(&answer(failure, &action))).ok(),
    }
}

fn answer(failure: Failure, action: &str) -> HttpResponse {
    match failure {
        Failure::Throttled => throttled(action),
        Failure::Denied => {
            let message = format!("User: arn:aws:iam::{ACCOUNT}:user/ci is not authorized to perform this");
            error(action, 403, "AccessDeniedException", &message)
        }
        _ => error(action, 500, "InternalFailure", "injected"),
    }
}

/// Reads the lines of the head with their line ends, and the body.
fn read_message(reader: &mut impl BufRead) -> Option<(Vec<String>, Vec<u8>)> {
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// Returns the request as the SDK would have sent it to AWS, to read its action: the signature contains the service.
fn request(head: &[String], body: &[u8]) -> HttpRequest {
    let mut start = head[0].split_whitespace();
    let (method, path) = (start.next().unwrap_or_default(), start.next().unwrap_or_default());
    let header = |name: &str| {
        let line = head.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let scope = header("authorization").unwrap_or_default();
    let service = scope.split('/').nth(3).unwrap_or_default().to_owned();
    let mut request = HttpRequest::new(SdkBody::from(body.to_vec()));
    request.set_method(method).unwrap();
    request.set_uri(format!("https://{service}.us-east-1.amazonaws.com{path}")).unwrap();
    if let Some(target) = header("x-amz-target") {
        request.headers_mut().insert("x-amz-target", target);
    }
    request
}

/// Returns the local AWS's complete answer.
fn forward(upstream: &str, head: &[String], body: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(upstream).ok()?;
    let mut sent: Vec<u8> = Vec::new();
    for line in head.iter().filter(|line| !line.to_lowercase().starts_with("connection:")) {
        sent.extend(line.as_bytes());
    }
    sent.extend(b"connection: close\r\n\r\n");
    sent.extend(body);
    stream.write_all(&sent).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

fn written(answer: &HttpResponse) -> Vec<u8> {
    let body = answer.body().bytes().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} x\r\n", answer.status().as_u16()).into_bytes();
    for (name, value) in answer.headers() {
        write!(bytes, "{name}: {value}\r\n").unwrap();
    }
    write!(bytes, "content-length: {}\r\nconnection: close\r\n\r\n", body.len()).unwrap();
    bytes.extend(body);
    bytes
}
