"""The words of names that mean something to the rules: of keys, of people, of copies of tables, of other systems."""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEY_WORDS = _set("""
    id uuid guid oid did fk key ref pk no code num nr number sk ident identifier nbr rid
""")
"""The last words of columns that hold a key."""
ID_WORDS = _set("""
    id uuid guid oid did fk key ref pk sk rid
""")
"""Those that hardly mean anything else."""
FIRST_WORDS = _set("""
    id fk ref
""")
"""Key words that stand first in some schemas, as in `id_user`."""
ARRAY_WORDS = _set("""
    ids uuids guids keys refs codes
""")
EXTERNAL = _set("""
    external ext provider
    stripe paypal braintree adyen shopify google facebook twitter linkedin apple microsoft azure aws
    gcp github gitlab slack discord telegram twilio sendgrid mailchimp mailgun salesforce hubspot zendesk intercom
    auth0 okta firebase cognito saml ldap oauth remote foreign upstream third legacy request trace span
    correlation idempotency idempotent fingerprint tracking vat tax ssn isbn ean gtin upc serial etag hash
    checksum commit
""")
"""Words of columns whose keys another system gives; a table that is called so is one of one's own."""
BARE_STOP = _set("""
    order position level rank sort priority status state type kind count number year month week day hour version
    size rating score point points weight height width duration amount price quantity total balance ordering
    sequence index age code name title value date time active enabled flag flags mode stage step progress length
    rate discount budget grade limit offset page
""")
"""Words that are a column of their own much more often than a reference, though a table may be called so."""
LEFT_OVER = _set("""
    bak backup backups old tmp temp copy orig original prev new staging stg stage import
""")
AFTERWARDS = _set("""
    history histories log logs audit audits archive archives archived version versions
""")
NO_KEY_TYPES = _set("""
    json jsonb xml bytea tsvector tsquery float4 float8 money interval bit varbit point line lseg box path polygon
    circle geometry geography hstore pg_lsn txid_snapshot
""")
"""Types that no key is of, whatever a column of them is called."""
SELF = _set("""
    parent root previous prev next original origin superseded supersedes replaced replaces replacement duplicate
    ancestor alias reblog predecessor successor reply replied forked copied cloned merged master reports
""")
"""Words for another row of the same table."""
ROOTS = _set("""
    dictionary master main base core root registry header headers
""")
"""Words of the table that others say more of, where several have one key."""
LINKS = _set("""
    relationship relation link edge dependency hierarchy closure nesting association path tree
""")
"""Last words of tables that tie two rows of the table that they are named after."""
ENDS = _set("""
    subject object source target from to ancestor descendant child parent predecessor successor
""")
"""What such a table calls the two."""
VAGUE = _set("""
    object entity record element target source resource subject reference
""")
"""Words for whatever a row is about, which are no table's that is only called so behind a prefix."""
TREES = _set("""
    type kind class category group tag page task comment reply folder directory node tree area unit department section
    location region level account
""")
"""Words of tables whose rows have parents among themselves, also where the table is named after another one."""
CHIEFS = _set("""
    manager supervisor boss leader mentor mgr referrer referred invited inviter
""")
"""People who are in the same table as those whose they are, where that is one of people."""
ACTORS = _set("""
    author owner creator registrant answerer translator merger salesman
    salesperson assignee assigner approver reviewer editor sender recipient receiver uploader submitter
    requester reporter responsible modifier updater deleter actor operator agent signer moderator voter follower
    followed follow blocker blocked poster commenter inviter invitee subscriber assigned createdby updatedby
    modifiedby admin merge lastmodifiedby write create rep representative salesrep
""")
"""People who do something, by the name of what they do."""
DONE = _set("""
    created modified updated changed
""")
"""What somebody did who is meant by it, as in `modified_id` and `user_created`."""
FILLERS = _set("""
    to of by the for in on at from a an last first current default main primary
""")
GLUED_ROLES = _set("""
    target source parent related real owner default first last from to main primary old new current original
    previous next master creator author root reference base src
""")
"""Roles that stand before a table's name without a break, as in `targetuserid`."""
TABLE_PREFIXES = _set("""
    app auth base core dim django fact lkp lookup m mst ref res sys t tb tbl
""")
GENERIC = _set("""
    id uuid guid code key name title slug email value type kind number no date version token url path label
    description position status state login username phone hash created updated year month day lang locale
    currency
""")
"""Names of keys that say nothing of what they are the key of."""
SAY_MORE = _set("""
    profile detail info information extra extension setting preference data meta metadata stat statistic summary
    counter config configuration option attribute property ext address billing credential secret password body
    content text state status quota usage total
""")
"""Words of tables that say more of each row of another one."""
