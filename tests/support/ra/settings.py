"""settings.py -- every setting of the RA with its default and its meaning: one table; POST /manage/settings changes them."""

HOURS = 3600
DAYS = 24 * HOURS

TABLE = {
    # name: (default, meaning)
    "algorithms": (["ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256"], "accepted in a JWS"),
    "certificate_keys": (["ec-p256", "ec-p384", "ec-p521", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"], "accepted in a CSR"),
    "bad_nonce_percent": (0, "of good nonces that are refused with badNonce"),
    "seed": (1, "of everything random in this RA but keys, nonces and ids"),
    "terms": ("", "URL of the terms of service; changed: accounts that agreed to another have to agree again"),
    "website": ("", "meta.website"),
    "caa_identities": (["ra.example"], "meta.caaIdentities"),
    "external_account_required": (False, "newAccount only with an account binding"),
    "external_accounts": ({}, "key identifier -> MAC key in base64url"),
    "profiles": ({}, "name -> description, or {description, validity}; empty: none offered"),
    "default_profile": ("", "for orders that name none"),
    "renewal_info": (True, "RFC 9773 offered"),
    "echo_replaces": (True, "newOrder's `replaces` shown in the order"),
    "new_authz": ("absent", '"on"; "refused": in the directory, answers 403; "absent"'),
    "identifier_types": (["dns", "ip", "NfInstanceId"], "others are unsupportedIdentifier"),
    "rejected": ([], "identifier values that are rejectedIdentifier"),
    "challenges": ({"dns": ["http-01", "dns-01", "tls-alpn-01"], "wildcard": ["dns-01"], "ip": ["http-01", "tls-alpn-01"],
                    "NfInstanceId": ["tkauth-01"]}, "offered by type of identifier"),
    "http01": ("127.0.0.1:80", "where http-01 asks, for every name"),
    "tls_alpn": ("127.0.0.1:443", "where tls-alpn-01 connects, for every name"),
    "dns": ("", "DNS server for TXT look-ups as HOST:PORT; empty: only the table of POST /manage/txt"),
    "issuer_domain_names": (["ra.example"], "of dns-persist-01"),
    "persist_just_in_time": (False, "a good dns-persist-01 record makes an authorization valid at once"),
    "validation_delay": (0, "seconds before a validation begins"),
    "validation_tries": (1, "failures until a challenge is invalid; before, it stays processing with an error"),
    "validation_retry": (1, "seconds between those tries"),
    "validation_asked": (False, "a try that failed leaves the challenge pending with its error, until the client asks again (8.2)"),
    "authz_outlives_challenge": (False, "a challenge that is invalid leaves its authorization pending, which 7.1.6 does not know"),
    "validate_at_once": (False, "the answer to a challenge waits for the validation"),
    "authz_retry_after": (None, "Retry-After with an authorization that is not final, in seconds"),
    "authz_pending": (1 * HOURS, "seconds a pending authorization lives"),
    "authz_valid": (30 * DAYS, "seconds a valid authorization lives"),
    "authz_reuse": ("newAuthz", 'valid authorizations put into orders: "none", "newAuthz" made ones, "all"'),
    "order_lifetime": (1 * HOURS, "seconds an order lives"),
    "drop_after": (1 * HOURS, "seconds after its expiry at which an order that came to nothing is dropped: 404"),
    "expires_moves": (0, "seconds added to `expires` at each poll of an order or authorization that is not final"),
    "preauthorised_show": ("objects", 'pre-authorised orders: "objects" or null, missing, empty `authorizations`'),
    "processing_polls": (1, "looks at an order in processing until it is valid; 0: finalize answers valid"),
    "retry_after": (None, "Retry-After with an order in processing, in seconds"),
    "retry_after_form": ("seconds", 'or "date"'),
    "issue_problem": (None, "{type, detail}: the next order in processing ends invalid with it"),
    "uri_names": ("identifiers", 'URI SANs in a CSR: only those of NfInstanceId "identifiers"; or "any" urn:uuid: ones'),
    "dates_allowed": (False, "notBefore and notAfter in newOrder"),
    "validity": (90 * DAYS, "seconds of a certificate from now"),
    "backdate": (1 * HOURS, "seconds of notBefore before now"),
    "certificate_clock": ("real", 'dates in certificates by the "real" clock, or the "ra"\'s moved one'),
    "certificate_defect": ("", "what is wrong with the next certificates: see issue.py DEFECTS"),
    "crl_url": ("http://ra.example/crl", "CRL distribution point; empty: none"),
    "alternate_chains": (0, "0 to 3 more chains, each to its own root"),
    "tkauth_hint": ("own", 'token-authority in tkauth-01: "own" Token Authority, "" for none, or any URL'),
    "tkauth_once": (False, "a token is good for one challenge only (RFC 9447 3.3 lets it be used until it expires)"),
    "token_root": ("", "PEM file of the Token Authority's root; empty: our own"),
    "token_lifetime": (1 * HOURS, "Token Authority: seconds until `exp`"),
    "token_header": ("x5c", 'Token Authority: certificate as "x5c" or "x5u"'),
    "token_defect": ("", "Token Authority: what is wrong with tokens: see token_authority.py DEFECTS"),
    "token_instances": ([], "Token Authority: NF instances it knows; empty: any"),
    "token_bearer": ("", "Token Authority: required in Authorization: Bearer"),
    "token_request": ("either", 'Token Authority: body has "atc" (RFC 9447 5.1), the "bare" claims (RFC 9448 5.5), or "either"'),
}


class Settings:
    """The values, as attributes."""

    def __init__(self, values=None):
        self.reset()
        self.change(values or {})

    def reset(self):
        for name, (default, _) in TABLE.items():
            setattr(self, name, default)

    def change(self, values):
        """ValueError names the setting that does not exist or has the wrong kind of value; then nothing is changed."""
        for name, value in values.items():
            if name not in TABLE:
                raise ValueError(f"no setting is called {name}")
            default = TABLE[name][0]
            kinds = (int, float) if isinstance(default, int) and not isinstance(default, bool) else type(default)
            if default is not None and (not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool)):
                raise ValueError(f"{name} is like {default!r}, not {value!r}")
        for name, value in values.items():
            setattr(self, name, value)

    def all(self):
        return {name: getattr(self, name) for name in TABLE}

    def meanings(self):
        return {name: meaning for name, (_, meaning) in TABLE.items()}
