//! A client that posts events over HTTP/1.1: one connection, used again, opened anew when it breaks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::client::Trust;
use crate::worker::tasks;

pub struct Client {
    authority: String,
    target: Uri,
    token: Option<String>,
    /// With https.
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    /// Not now; after so long.
    Later(Duration, String),
    Refused(String),
}

const PATIENCE: Duration = Duration::from_secs(60);
const LONGEST_ANSWER: usize = 64 << 10;

impl Client {
    pub fn new(target: &str, token: Option<String>, trust: &Trust) -> Result<Client, String> {
        let uri: Uri = target.parse().map_err(|e| format!("'{target}' is no URL: {e}"))?;
        let (authority, usual) = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => (authority.clone(), 80),
            (Some("https"), Some(authority)) => (authority.clone(), 443),
            _ => return Err(format!("'{target}' is no http URL: write it as http://127.0.0.1:8080")),
        };
        let tls = match usual {
            443 => {
                let host = authority.host().trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(host).map_err(|e| format!("'{target}': {e}"))?;
                Some((TlsConnector::from(Arc::new(trust.config())), name))
            }
            _ => None,
        };
        let host = match authority.port() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:{usual}"),
        };
        Ok(Client { authority: host, target: uri, token, tls, connection: None })
    }

    pub async fn post(&mut self, content_type: &str, body: Bytes) -> Result<Answer, String> {
        let mut request = Request::post(self.target.path_and_query().map_or("/", |p| p.as_str()))
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, content_type);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body)).map_err(|e| e.to_string())?;
        match tokio::time::timeout(PATIENCE, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.connection = None;
                Err(format!("{} did not answer within {} s", self.authority, PATIENCE.as_secs()))
            }
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => self.connect().await?,
        };
        connection.ready().await.map_err(|e| format!("{}: {e}", self.authority))?;
        let response =
            connection.send_request(request).await.map_err(|e| format!("{}: {e}", self.authority))?;
        let status = response.status();
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map_or(Duration::from_secs(1), Duration::from_secs);
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        let body = body.map(|b| b.to_bytes()).unwrap_or_default();
        self.connection = Some(connection);
        Ok(match status {
            status if status.is_success() => Answer::Accepted,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Answer::Later(wait, reason(status, &body))
            }
            _ => Answer::Refused(reason(status, &body)),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|e| format!("can't connect to {}: {e}", self.authority))?;
        let _ = stream.set_nodelay(true);
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", self.authority);
        let Some((connector, name)) = &self.tls else {
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| wrong(&e))?;
            tasks::task(connection);
            return Ok(sender);
        };
        let stream = connector.connect(name.clone(), stream).await.map_err(|e| wrong(&e))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| wrong(&e))?;
        tasks::task(connection);
        Ok(sender)
    }
}

/// The problem's detail, or the whole body if it is short.
fn reason(status: StatusCode, body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Problem {
        detail: String,
    }
    let detail = serde_json::from_slice::<Problem>(body).map(|problem| problem.detail);
    let text = detail.unwrap_or_else(|_| String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned());
    format!("{status}: {text}")
}
