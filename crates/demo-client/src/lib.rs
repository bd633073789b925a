//! The built-in client: a small game client with an HTTP interface, and the test that runs against several of them.
//!
//! It stands in for a heavy program (an editor that takes minutes to get ready), so that the runner can be tried and
//! tested with something that is real but quick, and that misbehaves on request: late, crashing, deaf to SIGTERM.
//!
//! Each client holds the whole [`world`] and simulates it itself. A client owns the ship that bears its number: it takes
//! the inputs of that ship and hands them on to its [`peers`], which compute the same steps. So when one client
//! validates the position that another reports, it compares it with a result of its own, and a client that reports
//! something else is found out. The `consensus` command asks for two thirds of the clients.
//!
//! | request | body | answer |
//! | --- | --- | --- |
//! | `GET /status` | | 200 `{"status":"ready","number":1,"port":8080,"uptime_ms":12}`, or 503 with `"starting"` |
//! | `POST /spawn_ship` | `{"ship":1}` | where it is: `{"ship":1,"x":0.0,"y":10.0,"z":0.0}`; a ship is created once |
//! | `GET /get_position?ship=1` | | the same |
//! | `POST /set_input` | `{"ship":1,"thrust":1.0,"duration_ms":1000}` | where it is then, `replicated` and `failed` |
//! | `POST /validate_peer` | `{"ship":1,"x":5.05,"y":10.0,"z":0.0}` | `{"ship":1,"agree":true,"distance":0.0}` |
//! | `POST /peers` | `{"urls":["http://127.0.0.1:8081"]}` | `{"status":"ok"}` |
//! | `POST /replicate` | `{"ship":1,"sequence":1,"thrust":1.0,"duration_ms":1000}` | `{"status":"ok"}` |
//! | `POST /reset` | | `{"status":"ok"}`; every ship is gone |
//! | `POST /quit` | | `{"status":"stopping"}`; the client ends with code 0 |
//!
//! What is refused is answered with `{"error":"…"}`: 400 not understood, 403 another client's ship, 404 no such path or
//! ship, 405 wrong method, 409 an input out of order; 411, 413 and 431 where the length of something is
//! missing or too large.

mod cli;

mod consensus;
mod fleet;
mod serve;

mod client;
mod world;

mod api;
mod protocol;

mod http_connection;
mod http_server;
mod peers;
mod requests;

mod duration;
mod log;
mod signals;

pub use cli::run;
