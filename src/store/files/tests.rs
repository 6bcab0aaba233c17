//! What only a failing operating system shows.
