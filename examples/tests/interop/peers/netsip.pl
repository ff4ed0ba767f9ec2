#!/usr/bin/perl
# A client built on Net::SIP: registers, and sends one MESSAGE or waits for one.
# Usage: netsip.pl SERVER LOCAL_PORT USER PASSWORD send RECIPIENT TEXT | receive
use strict;
use warnings;
use Net::SIP qw(:all);

$| = 1;
my ($server, $port, $user, $password, $mode, $recipient, $text) = @ARGV;
my $ua = Net::SIP::Simple->new(
  outgoing_proxy => $server,
  registrar => 'example.com',
  domain => 'example.com',
  from => "sip:$user\@example.com",
  contact => "sip:$user\@127.0.0.1:$port",
  legs => ["127.0.0.1:$port"],
  auth => [ $user, $password ],
);
my $done;
$ua->{endpoint}->set_application(sub {
  my ($endpoint, $context, $request, $leg, $from) = @_;
  return if $request->method ne 'MESSAGE';
  $endpoint->new_response($context, $request->create_response(200, 'OK'), $leg, $from);
  print "received ", ($request->as_parts)[3], "\n";
});
$ua->register(expires => 600) or die 'not registered: ' . $ua->error;
print "registered\n";
if ($mode eq 'send') {
  $ua->{endpoint}->new_request(
    'MESSAGE',
    { from => "sip:$user\@example.com", to => "sip:$recipient\@example.com", auth => [ $user, $password ] },
    sub {
      my ($endpoint, $context, $error, $code) = @_;
      return unless $error || $code >= 200;
      $done = $code || "error $error";
    },
    $text,
    'content-type' => 'text/plain',
  );
}
$ua->loop(20, \$done);
print 'answered ', $done // 'nothing', "\n";
