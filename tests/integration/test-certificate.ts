/**
 * A self-signed certificate for `localhost` and its key, for tests alone: it protects nothing and is
 * trusted nowhere. Here as text so that no test needs a tool to make one.
 */
export const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgowT8KrCyblCjzLTi
p1q1Gu8aJqVewk0mHhXozkhf/SOhRANCAASMqEN2ySuKJPQMy0k9ZoXvwtzqGt7v
WqVPKLSDswiRUI0yqZtODADjyixk7Sv8hbIJmAtvoK5ejrNpf/a3YsFj
-----END PRIVATE KEY-----
`

export const TEST_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUV0w3MZg7OPTJP12SZj/sn7ms8HowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAyMDUyM1oYDzIxMjYxMDI4
MDIwNTIzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASMqEN2ySuKJPQMy0k9ZoXvwtzqGt7vWqVPKLSDswiRUI0yqZtODADj
yixk7Sv8hbIJmAtvoK5ejrNpf/a3YsFjo1MwUTAdBgNVHQ4EFgQUmc+eF7p95VQG
6QZC4MLvf7bXxfEwHwYDVR0jBBgwFoAUmc+eF7p95VQG6QZC4MLvf7bXxfEwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA3Slsym4HobT0K0fwJyGV
P2oBMBWm0jHXiu8DgeDS3wICIQClLtxpeVh46xDA6BXmEgUkShQwmy7XWWrRW3A0
41E4Wg==
-----END CERTIFICATE-----
`
