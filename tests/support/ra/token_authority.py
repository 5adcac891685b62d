"""token_authority.py -- the Token Authority (the OAM of TS 33.310 Annex J): authority tokens for NF instances (RFC 9447, 9448)."""
import base64
import re
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from .answers import Answer, distort, refusal_of
from .encoding import b64u, dump, load_object
from .problems import Problem, Refusal, Violation
from .tls_files import Authority

TOKEN_PATH = re.compile(r"/at/account/[A-Za-z0-9._-]+/token")
CERTIFICATE_PATH = "/token-authority.pem"
FINGERPRINT = re.compile(r"SHA256 [0-9A-F]{2}(:[0-9A-F]{2}){31}")

# setting token_defect: what is wrong with the tokens.
DEFECTS = {
    "expired": "exp is past", "no-exp": "exp is missing", "no-jti": "jti is missing", "other-value": "for another NF",
    "other-type": "tktype is TNAuthList", "other-fingerprint": "for another account", "ca": "for a CA", "none": "alg none",
    "bad-signature": "the signature does not verify", "foreign": "signed under another root", "not-a-jwt": "some text",
    "no-token": "the answer has no token",
}


class TokenAuthority:
    def __init__(self, ra):
        self.ra, self.root = ra, Authority("token authority root")
        self.key, self.leaf = self._make(self.root)
        self.base_url = ""
        ra.files.token_root.write_bytes(self.root.certificate.public_bytes(Encoding.PEM))

    @staticmethod
    def _make(root):
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        return key, root.certify("token authority", key.public_key(), [(x509.BasicConstraints(False, None), True), (usage, True)])

    def trusted_root(self):
        """The root the RA believes: ours, or that of the setting."""
        if not self.ra.settings.token_root:
            return self.root.certificate
        with open(self.ra.settings.token_root, "rb") as file:
            return x509.load_pem_x509_certificate(file.read())

    def respond(self, request):
        fault = self.ra.faults.strike("token")
        try:
            if request.path == CERTIFICATE_PATH and request.method == "GET":
                answer = Answer(200, [("Content-Type", "application/pem-certificate-chain")],
                                self.leaf.public_bytes(Encoding.PEM))
            elif fault and fault.refuses():
                answer = refusal_of(fault)
            else:
                answer = self._token(request)
        except Problem as problem:
            if isinstance(problem, Violation):
                self.ra.journal.violation("token", str(problem), path=request.path)
            answer = Answer.refusing(problem)
        if fault:
            answer = distort(answer, fault)
        endpoint = "tokenCertificate" if request.path == CERTIFICATE_PATH else "token"
        self.ra.journal.request(request, endpoint, answer, None, bool(fault))
        return answer, fault

    def _token(self, request):
        settings = self.ra.settings
        if not TOKEN_PATH.fullmatch(request.path):
            raise Violation("malformed", "tokens are had from /at/account/ID/token", status=404)
        if request.method != "POST":
            raise Violation("malformed", "tokens are had by POST", status=405)
        if settings.token_bearer and request.headers.get("Authorization") != f"Bearer {settings.token_bearer}":
            raise Refusal("unauthorized", "not authenticated", status=401, headers=[("WWW-Authenticate", "Bearer")])
        if request.headers.get_content_type() != "application/json":
            raise Violation("malformed", "the content type is not application/json", status=415)
        claims = self._claims(request.body)
        if settings.token_instances and claims["tkvalue"] not in settings.token_instances:
            raise Refusal("unauthorized", f"{claims['tkvalue']} is not known here", status=403)
        token = self.make(claims)
        return Answer.of(200, {} if settings.token_defect == "no-token" else {"token": token})

    def _claims(self, body):
        try:
            value = load_object(body)
        except ValueError as why:
            raise Violation("malformed", str(why)) from None
        form = self.ra.settings.token_request
        if (form == "atc" and "atc" not in value) or (form == "bare" and "atc" in value):
            raise Violation("malformed", "the body has not the form that RFC 9447 5.1 or RFC 9448 5.5 gives it")
        atc = value.get("atc", value)
        if not isinstance(atc, dict) or not isinstance(atc.get("tktype"), str) or not isinstance(atc.get("tkvalue"), str):
            raise Violation("malformed", "tktype and tkvalue are missing")
        if not FINGERPRINT.fullmatch(str(atc.get("fingerprint"))):
            raise Violation("malformed", "the fingerprint is not SHA256 and 32 octets in upper-case hex with colons")
        if atc.get("ca", False) is not False:
            raise Refusal("unauthorized", "no NF is a CA", status=403)
        return {name: atc[name] for name in ("tktype", "tkvalue", "fingerprint")}

    def make(self, atc):
        """A token for these claims, with the defect that the settings ask for."""
        settings, defect = self.ra.settings, self.ra.settings.token_defect
        now = self.ra.clock.now()
        atc = dict(atc)
        claims = {"iss": self.base_url, "exp": int(now + settings.token_lifetime), "jti": secrets.token_urlsafe(12), "atc": atc}
        if defect == "expired":
            claims["exp"] = int(now - 60)
        elif defect in ("no-exp", "no-jti"):
            del claims[defect[3:]]
        elif defect == "other-value":
            atc["tkvalue"] = "00000000-0000-4000-8000-000000000000"
        elif defect == "other-type":
            atc["tktype"] = "TNAuthList"
        elif defect == "other-fingerprint":
            atc["fingerprint"] = "SHA256 " + ":".join(["00"] * 32)
        elif defect == "ca":
            atc["ca"] = True
        return "a token, they said" if defect == "not-a-jwt" else self._sign(claims, defect)

    def _sign(self, claims, defect):
        key, leaf = self._make(Authority("token authority root")) if defect == "foreign" else (self.key, self.leaf)
        header = {"typ": "JWT", "alg": "none" if defect == "none" else "ES256"}
        if self.ra.settings.token_header == "x5u":
            header["x5u"] = self.base_url + CERTIFICATE_PATH
        else:
            header["x5c"] = [base64.b64encode(leaf.public_bytes(Encoding.DER)).decode("ascii")]
        signed = f"{b64u(dump(header))}.{b64u(dump(claims))}"
        if defect == "none":
            return signed + "."
        r, s = decode_dss_signature(key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256())))
        raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return f"{signed}.{b64u(raw if defect != 'bad-signature' else bytes(64))}"
