// SPDX-License-Identifier: Apache-2.0
// puppet: a process that can be killed at any moment of its work.
//
// It is forked while nothing is open, because neither SQLite's locks nor a server's connection survive a fork, and
// then waits for its order.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

static void send_all(int fd, const void *bytes, size_t size)
{
	kt_check(write(fd, bytes, size) == (ssize_t) size, "could not write to a puppet's pipe");
}

static bool receive_all(int fd, void *bytes, size_t size)
{
	return read(fd, bytes, size) == (ssize_t) size;
}

puppet puppet_new(world *w, void (*fn)(world *w, const kc_order *order, const puppet *self))
{
	int down[2], up[2];
	kt_check(pipe(down) == 0 && pipe(up) == 0, "could not make a pipe");
	pid_t pid = fork();
	kt_check(pid >= 0, "could not fork");
	if (pid > 0) {
		close(down[0]);
		close(up[1]);
		return (puppet) {pid, down[1], up[0]};
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(down[1]);
	close(up[0]);
	puppet self = {getpid(), up[1], down[0]};
	kc_order order;
	if (receive_all(self.from, &order, sizeof order)) {
		order.entry.job = JOB;
		order.entry.topic = TOPIC;
		fn(w, &order, &self);
	}
	_exit(0);
}

void puppet_go(puppet *p, const kd_owner *me, const kd_batch_partition *e)
{
	kc_order order = {.me = *me, .entry = *e};
	send_all(p->to, &order, sizeof order);
}

void puppet_say(const puppet *self)
{
	send_all(self->to, "!", 1);
}

void puppet_hear(const puppet *self)
{
	char c;
	while (!receive_all(self->from, &c, 1))
		pause();
}

void puppet_await(puppet *p)
{
	char c;
	kt_check(receive_all(p->from, &c, 1), "a puppet died");
}

void puppet_nod(puppet *p)
{
	send_all(p->to, "!", 1);
}

static int gone(puppet *p)
{
	int status;
	kt_check(waitpid(p->pid, &status, 0) == p->pid, "could not wait for a puppet");
	close(p->to);
	close(p->from);
	return status;
}

void puppet_kill(puppet *p)
{
	kill(p->pid, SIGKILL);
	gone(p);
}

void puppet_end(puppet *p)
{
	int status = gone(p);
	kt_check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a puppet ended with status %d", status);
}

instance *puppet_instance(world *w, const kc_order *order)
{
	instance *i = instance_open(w, order->me.id[0]);
	i->me = order->me;
	return i;
}
