//! s3s-fs: S3 on a folder. It checks signatures, and whether an object is there before it writes one, but not at the same
//! moment.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A server in threads of its own; it ends when it is dropped.
pub(crate) struct S3s {
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
    runtime: Option<Runtime>,
}

impl Drop for S3s {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl S3s {
    /// A server with one bucket, for whoever has this key.
    pub(crate) fn start(bucket: &str, id: &str, secret: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(bucket)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(id, secret));
        let service = builder.build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    server.serve_connection(TokioIo::new(stream), service).await.ok()
                });
            }
        });
        S3s { port, folder, runtime: Some(runtime) }
    }
}
