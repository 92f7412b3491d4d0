(()=>{const $=s=>document.querySelector(s),all=$('#all');if(!all)return;
all.closest('.js').hidden=false;const ps=[...document.querySelectorAll('.pick')];let last=-1;
const sync=()=>{const n=ps.filter(p=>p.checked).length;all.checked=n===ps.length&&n>0;all.indeterminate=n>0&&n<ps.length;};
all.addEventListener('change',()=>{ps.forEach(p=>p.checked=all.checked);});
ps.forEach((p,i)=>p.addEventListener('click',ev=>{if(ev.shiftKey&&last>=0){const[a,b]=[Math.min(i,last),Math.max(i,last)];for(let k=a;k<=b;k++)ps[k].checked=p.checked;}last=i;sync();}));sync();
const more=$('#more');more.form.addEventListener('submit',ev=>{if(ev.submitter?.value==='more'&&!more.value){ev.preventDefault();more.focus();}});
})();
